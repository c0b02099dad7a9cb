// The disconnect reasons that the real client reports.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import * as client from "./support/clients.ts";
import type { Client, ClientOptions } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

let server: Server;
before(async () => {
  server = await startServer();
});
afterEach(client.closeAll);
after(() => server.close());

const connect = (userId: string, options: ClientOptions = {}) =>
  client.connect(server, userId, { transports: ["websocket"], ...options });

/** Resolves to the disconnect reason and the WebSocket's close code. */
function ending(socket: Client) {
  const code = new Promise((resolve) => client.rawSocket(socket).once("close", resolve));
  const reason = new Promise((resolve) => socket.once("disconnect", resolve));
  return Promise.all([reason, code]);
}

const raw = (socket: Client, frame: string) => client.rawSocket(socket).send(frame);

for (const options of [{}, { direct: true }]) {
  const way = options.direct ? "straight to the object" : "through the relay";
  const open = (userId: string) =>
    connect(userId, options.direct ? { query: { token: server.token(userId) } } : {});

  test(`the client leaves, ${way}`, async () => {
    const watcher = await open("watcher");
    const socket = await open("leaver");
    const gone = ending(socket);
    socket.disconnect();
    assert.equal((await gone)[0], "io client disconnect");
    const { isOnline, connectionCount } = await client.statusOf(watcher, "leaver");
    assert.deepEqual([isOnline, connectionCount], [false, 0]);
    watcher.close();
  });

  test(`an invalid packet, ${way}`, async () => {
    const socket = await open("invalid");
    const gone = ending(socket);
    raw(socket, "4x");
    // Without a code, like the reference server.
    assert.deepEqual(await gone, ["transport close", 1005]);
  });

  test(`a frame that is too large, ${way}`, async () => {
    const socket = await open("large");
    const gone = ending(socket);
    raw(socket, `42["${"x".repeat(1_000_000)}"]`);
    assert.deepEqual(await gone, ["transport close", 1009]);
  });

  test(`the object is evicted, ${way}`, async () => {
    const socket = await open("evicted");
    const gone = ending(socket);
    await server.evict("evicted", "close");
    assert.equal((await gone)[0], "transport close");
  });

  test(`the token expires, ${way}`, async () => {
    // The token expires in 3 s: the leeway is 30 s.
    const token = server.token("expiring", { exp: Math.floor(Date.now() / 1000) - 27 });
    const socket = await connect("expiring", {
      auth: { token },
      ...(options.direct && { query: { token } }),
    });
    const error = new Promise((resolve) => socket.once("error", resolve));
    const gone = ending(socket);
    assert.deepEqual(await error, {
      code: "token_expired",
      message: "The token has expired",
      event: null,
    });
    assert.deepEqual(await gone, ["transport close", 1000]);
  });
}

test("a server that falls silent, and one that dies", async () => {
  const dev = await createDevServer({ PING_INTERVAL_MS: 500, PING_TIMEOUT_MS: 500 });
  await dev.start();
  const reasonOf = async (socket: Client) => (await client.next(socket, "disconnect"))[0];
  const open = (transports: string[]) => client.connect(dev, "waiting", { transports });

  const poller = await open(["polling"]);
  const dies = reasonOf(poller);
  await dev.kill();
  assert.equal(await dies, "transport error");

  await dev.start();
  const silent = reasonOf(await open(["websocket"]));
  dev.freeze();
  assert.equal(await silent, "ping timeout");
  await dev.close();
});

test("a refused CONNECT is a connect_error, and the client does not retry by itself", async () => {
  const token = server.token("late", { exp: Math.floor(Date.now() / 1000) - 60 });
  await assert.rejects(
    connect("late", { auth: { token }, reconnection: true }),
    (error: client.Refused) => {
      assert.equal(error.message, "The token has expired");
      assert.deepEqual(error.data, { code: "token_expired" });
      return true;
    },
  );
});
