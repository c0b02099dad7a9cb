// A client that does not read what it is sent: the server keeps a bounded amount for it, and it misses nothing.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import {
  closeAll,
  connect,
  contractor,
  next,
  rawSocket,
  sendText,
  sendTo,
  statusOf,
  until,
} from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";

const LIMIT = 200_000;

let server: DevServer;
before(async () => {
  server = await createDevServer({
    MAX_UNCONFIRMED_BYTES: LIMIT,
    LOG_REPLAY_BYTES: 150_000,
    MAX_EVENTS_PER_SECOND: 0,
  });
  await server.start();
});
afterEach(closeAll);
after(() => server.close());

const texts = (count: number) =>
  Array.from({ length: count }, (_, index) => `${index}`.padStart(10_000, "0"));

/** Sends 300 KB, message by message. */
async function flood(sender: Client, receiverId: string) {
  for (const text of texts(30)) await sendTo(sender, { receiverId }, text);
}

/** Resolves when the server has disconnected a client because it was too slow. */
const disconnected = (count: number) =>
  until(
    () =>
      server.logged("connection_closed").filter(({ reason }) => reason === "too_slow").length ===
      count,
    `${count} slow clients`,
  );

test("a WebSocket that is not read is closed, and its client recovers the rest", async () => {
  const slow = await connect(server, "slow", {
    transports: ["websocket"],
    reconnection: true,
    reconnectionDelay: 10,
  });
  const sender = await connect(server, "sender");
  await sendTo(sender, { receiverId: "slow" }, "an offset to recover from");
  await until(() => slow.texts.length === 1, "the message");
  rawSocket(slow).pause();
  await flood(sender, "slow");
  await disconnected(1);
  assert.equal((await statusOf(sender, "slow")).connectionCount, 0);

  const again = next(slow, "connect");
  rawSocket(slow).resume();
  const [, details] = await next(slow, "disconnect");
  assert.equal(details.context.code, 1008);
  await again;
  assert.equal(slow.recovered, true);
  await until(() => slow.texts.length === 31, "every message");
  assert.deepEqual(slow.texts.slice(1), texts(30));
});

test("a client that reads may be sent any amount, by one sender or many", async () => {
  const fast = await connect(server, "fast", { transports: ["websocket"] });
  const sender = await connect(server, "sender2");
  await flood(sender, "fast");
  await flood(sender, "fast");
  const bulk = await contractor(server);
  for (const text of texts(60)) await sendText(bulk, ["fast"], text);
  await until(() => fast.texts.length === 120, "every message");
  assert.equal(fast.connected, true);
});

test("a polling client that does not poll is closed", async () => {
  const url = `${server.url}/socket.io/?EIO=4&transport=polling`;
  const handshake = await (await fetch(url)).text();
  const { sid } = JSON.parse(handshake.slice(1));
  const token = server.token("idle");
  const body = `40${JSON.stringify({ token })}`;
  await fetch(`${url}&sid=${sid}`, { method: "POST", body });
  const sender = await connect(server, "sender3");
  await until(async () => (await statusOf(sender, "idle")).isOnline, "online");
  await flood(sender, "idle");
  await disconnected(2);
  assert.equal((await statusOf(sender, "idle")).isOnline, false);
});
