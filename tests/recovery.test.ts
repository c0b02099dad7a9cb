// Connection state recovery with the real client: nothing missed, nothing twice, the same session.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import {
  closeAll,
  connect as connectTo,
  contractor,
  next,
  rawSocket,
  recoveryOf,
  sendText,
  statusOf,
  textOf,
} from "./support/clients.ts";
import type { Client, ClientOptions } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

let server: Server;
let sender: Client;
before(async () => {
  server = await startServer();
  sender = await contractor(server);
});
after(async () => {
  closeAll();
  await server.close();
});

const connect = (userId: string, options: ClientOptions = {}) =>
  connectTo(server, userId, {
    transports: ["websocket"],
    reconnection: true,
    reconnectionDelay: 50,
    reconnectionDelayMax: 50,
    ...options,
  });

async function send(receiverId: string, text: string) {
  const result = await sendText(sender, [receiverId], text);
  assert.equal(result.totalSent, 1, JSON.stringify(result));
}

/** A connected client that has got one message, and so has an offset. */
async function clientWithOffset(userId: string, options: ClientOptions = {}) {
  const socket = await connect(userId, options);
  assert.equal(socket.recovered, false);
  const got = next(socket, "new_message");
  await send(userId, "first");
  await got;
  return socket;
}

/** What the client shows once a last message has come through. */
async function settle(socket: Client, userId: string) {
  const last = new Promise<void>((resolve) => {
    socket.on("new_message", (message) => textOf(message) === "last" && resolve());
  });
  await send(userId, "last");
  await last;
  return socket.texts;
}

const dropNetwork = (socket: Client) => rawSocket(socket).terminate();

for (const transports of [["websocket"], ["polling", "websocket"]]) {
  test(`the network drops, over ${transports}`, async () => {
    const userId = `drop-${transports.length}`;
    const socket = await clientWithOffset(userId, { transports });
    if (transports.length > 1 && socket.io.engine.transport.name !== "websocket") {
      await new Promise((resolve) => socket.io.engine.once("upgrade", resolve));
    }
    const { id } = socket;
    socket.io.reconnection(false);
    const gone = next(socket, "disconnect");
    dropNetwork(socket);
    assert.equal((await gone)[0], "transport close");
    await send(userId, "missed 1");
    await send(userId, "missed 2");
    const back = next(socket, "connect");
    socket.connect();
    await back;
    assert.equal(socket.recovered, true);
    assert.equal(socket.id, id);
    assert.deepEqual(await settle(socket, userId), ["first", "missed 1", "missed 2", "last"]);
    socket.close();
  });
}

test("the object is evicted with its sockets", async () => {
  const socket = await clientWithOffset("evicted");
  const { id } = socket;
  const back = next(socket, "connect");
  await server.evict("evicted", "close");
  await back;
  assert.equal(socket.recovered, true);
  assert.equal(socket.id, id);
  assert.deepEqual(await settle(socket, "evicted"), ["first", "last"]);
  socket.close();
});

test("the client is back before the server knows that it was gone", async () => {
  const socket = await clientWithOffset("ghost");
  const { id } = socket;
  const auth = { ...socket.auth, ...recoveryOf(socket) };
  const gone = next(socket, "disconnect");
  socket.io.reconnection(false);
  const twin = await connect("ghost", { auth });
  await gone;
  assert.equal(twin.id, id);
  assert.equal((await statusOf(twin, "ghost")).connectionCount, 1);
  twin.close();
});

test("a pid is worth nothing to another user, and nothing is stored for it", async () => {
  const dev = await createDevServer();
  await dev.start();
  const join = (userId: string, more: object = {}) =>
    connectTo(dev, userId, { auth: { token: dev.token(userId), ...more } });
  const stored = () =>
    JSON.stringify(
      ["user_state", "log"].map((table) => dev.storage("thief", `SELECT * FROM ${table}`)),
    );
  const victim = await join("victim");
  const honest = await join("thief");
  const before = stored();
  const thief = await join("thief", { pid: recoveryOf(victim).pid, offset: "0" });
  assert.equal(thief.recovered, false);
  assert.notEqual(thief.id, victim.id);
  assert.equal(stored(), before);
  for (const socket of [victim, honest, thief]) socket.close();
  await dev.close();
});

test("a client that cannot recover gets what no device has confirmed", async () => {
  const small = await startServer({ vars: { LOG_MAX_EVENTS: "3" } });
  const [outerServer, outerSender] = [server, sender];
  server = small;
  try {
    sender = await contractor(server);
    const socket = await clientWithOffset("late");
    socket.io.reconnection(false);
    const gone = next(socket, "disconnect");
    dropNetwork(socket);
    await gone;
    for (const text of ["a", "b", "c", "d", "e"]) await send("late", text);
    socket.texts.length = 0;
    const back = next(socket, "connect");
    socket.connect();
    await back;
    assert.equal(socket.recovered, false);
    assert.deepEqual(await settle(socket, "late"), ["c", "d", "e", "last"]);
    socket.close();
  } finally {
    sender.close();
    await small.close();
    [server, sender] = [outerServer, outerSender];
  }
});

test("two minutes offline", async () => {
  const socket = await clientWithOffset("offline");
  const { id } = socket;
  socket.io.reconnection(false);
  const gone = next(socket, "disconnect");
  dropNetwork(socket);
  await gone;
  await send("offline", "missed");
  // The time itself is what is tested.
  await pause(120_000);
  const back = next(socket, "connect");
  socket.connect();
  await back;
  assert.equal(socket.recovered, true);
  assert.equal(socket.id, id);
  assert.deepEqual(await settle(socket, "offline"), ["first", "missed", "last"]);
  socket.close();
});
