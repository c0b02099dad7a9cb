// Clients that request WebSocket subprotocols get the first one in their list, as from the reference server.
// If the response names none, a client closes the connection.

import assert from "node:assert/strict";
import http from "node:http";
import test, { after, afterEach, before } from "node:test";

import {
  closeAll,
  connect,
  optionsOf,
  rawSocket,
  statusOf,
  until,
  ways,
} from "./support/clients.ts";
import { openSession, post } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PATH = "/socket.io";
const protocols = ["chat.example.v2", "chat.example.v1"];

let server: Server;
before(async () => {
  server = await startServer();
});
afterEach(closeAll);
after(() => server.close());

const url = (query: Record<string, string> = {}) => {
  const all = new URLSearchParams({ EIO: "4", transport: "websocket", ...query });
  return `${server.url}${PATH}/?${all}`;
};

for (const way of ways.filter((one) => one !== "polling only")) {
  test(`the real client, ${way}`, async () => {
    const options = optionsOf(way, server, "asks");
    const socket = await connect(server, "asks", { ...options, protocols });
    await until(() => socket.io.engine.transport.name === "websocket", "the upgrade");
    const { protocol } = rawSocket(socket) as unknown as { protocol: string };
    assert.equal(protocol, "chat.example.v2");
    assert.equal((await statusOf(socket, "asks")).isOnline, true);
  });
}

test("a browser-like WebSocket, including one that is closed at once", async () => {
  const sid = await openSession(server, PATH);
  await post(server, PATH, sid, `40${JSON.stringify({ token: server.token("asks") })}`);
  const wire = (query: Record<string, string>) => {
    const socket = new WebSocket(url(query).replace("http", "ws"), protocols);
    const seen: string[] = [];
    const closed = new Promise<string[]>((resolve) => {
      for (const name of ["open", "error"]) socket.addEventListener(name, () => seen.push(name));
      socket.addEventListener("close", () => resolve(seen));
    });
    return { socket, closed };
  };
  const first = wire({ sid });
  const opened = new Promise((resolve) => first.socket.addEventListener("open", resolve));
  assert.equal(await Promise.race([opened.then(() => "open"), first.closed]), "open");
  assert.equal(first.socket.protocol, protocols[0]);
  // Only one WebSocket may probe, so this one is closed.
  const second = wire({ sid });
  assert.deepEqual(await second.closed, ["open"]);
  assert.equal(second.socket.protocol, protocols[0]);
  first.socket.close();
  await first.closed;
});

/** Requests an upgrade with these subprotocols. Resolves to the status and the chosen subprotocol. */
const answer = (asked?: string) =>
  new Promise((resolve, reject) => {
    const request = http.get(url(), {
      headers: {
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        ...(asked !== undefined && { "Sec-WebSocket-Protocol": asked }),
      },
    });
    request.on("upgrade", ({ statusCode, headers }, socket) => {
      socket.destroy();
      resolve([statusCode, headers["sec-websocket-protocol"]]);
    });
    request.on("response", (response) => {
      response.resume();
      resolve([response.statusCode]);
    });
    request.on("error", reject);
  });

test("on the wire", async () => {
  assert.deepEqual(await answer(), [101, undefined]);
  assert.deepEqual(await answer("one"), [101, "one"]);
  assert.deepEqual(await answer("Two,one"), [101, "Two"]);
  assert.deepEqual(await answer("  two , one "), [101, "two"]);
  for (const bad of ["a,,b", "a;b", "a, a"]) assert.deepEqual(await answer(bad), [400], bad);
});
