// Connection state recovery with the real client: the same session, with nothing missed or repeated.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import {
  closeAll,
  connect as connectTo,
  contractor,
  next,
  optionsOf,
  rawSocket,
  recoveryOf,
  sendText,
  statusOf,
  textOf,
  until,
  upgraded,
  ways,
} from "./support/clients.ts";
import type { Client, ClientOptions } from "./support/clients.ts";
import { Network, closeNetworks } from "./support/proxy.ts";
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
  closeNetworks();
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

/** Connects a client that has received one message, and so has an offset. */
async function clientWithOffset(userId: string, options: ClientOptions = {}) {
  const socket = await connect(userId, options);
  assert.equal(socket.recovered, false);
  const got = next(socket, "new_message");
  await send(userId, "first");
  await got;
  return socket;
}

/** Sends a last message, and returns all texts that the client has received once it arrives. */
async function settle(socket: Client, userId: string) {
  const last = new Promise<void>((resolve) => {
    socket.on("new_message", (message) => textOf(message) === "last" && resolve());
  });
  await send(userId, "last");
  await last;
  return socket.texts;
}

const dropNetwork = (socket: Client) => rawSocket(socket).terminate();

/** The disconnected client, whose session was `id`, misses messages, reconnects and recovers. */
async function missesAndReturns(socket: Client, userId: string, id: string | undefined) {
  assert.equal(socket.connected, false);
  await send(userId, "missed 1");
  await send(userId, "missed 2");
  const back = next(socket, "connect");
  socket.connect();
  await back;
  assert.equal(socket.recovered, true);
  assert.equal(socket.id, id);
  assert.deepEqual(await settle(socket, userId), ["first", "missed 1", "missed 2", "last"]);
  socket.close();
}

for (const way of ways) {
  const connected = async (userId: string) => {
    const options = optionsOf(way, server, userId);
    const socket = await clientWithOffset(userId, {
      transports: ["polling", "websocket"],
      ...options,
      reconnection: false,
    });
    if (way === "default") await upgraded(socket);
    return socket;
  };

  test(`the object is evicted with its sockets, ${way}`, async () => {
    const userId = `evicted ${way}`;
    const socket = await connected(userId);
    const { id } = socket;
    const gone = next(socket, "disconnect");
    await server.evict(userId, "close");
    await gone;
    await missesAndReturns(socket, userId, id);
  });

  // A polling client has no permanent connection that could break.
  if (way === "polling only") continue;

  test(`the network drops, ${way}`, async () => {
    const userId = `drop ${way}`;
    const socket = await connected(userId);
    const { id } = socket;
    const gone = next(socket, "disconnect");
    dropNetwork(socket);
    assert.equal((await gone)[0], "transport close");
    await missesAndReturns(socket, userId, id);
  });
}

test("an unmodified client reconnects by itself when the object is evicted", async () => {
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

test("a client reconnects before the server notices that it was gone", async () => {
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

for (const way of ways) {
  test(`a client changes networks before it has received any event, ${way}`, async () => {
    const userId = `roamer ${way}`;
    const network = await Network.open(server);
    const socket = await connectTo(network, userId, optionsOf(way, network, userId));
    if (way === "default") await upgraded(socket);
    // Make sure that the server has finished the upgrade, or that the next GET is pending there.
    assert.equal((await statusOf(socket, userId)).connectionCount, 1);
    if (way === "polling only") await until(() => network.waitingGets > 0, "the pending GET");
    assert.equal((await statusOf(sender, userId)).connectionCount, 1);
    const { pid, offset } = recoveryOf(socket);
    assert.ok(pid && !offset);

    // Nothing gets through, not even a close packet: polling would send it on a new connection.
    network.stall();
    network.isDown = true;
    const gone = next(socket, "disconnect");
    socket.io.engine.close();
    await gone;
    if (way === "polling only") await until(() => network.refusals > 0, "its close packet");
    network.isDown = false;

    const back = next(socket, "connect");
    socket.connect();
    await back;
    assert.equal((await statusOf(sender, userId)).connectionCount, 1);
    const lastWords = way === "polling only" ? "HTTP/1.1 200" : "replaced by a newer connection";
    await until(() => network.held().includes(lastWords), "the old connection is closed");
    await send(userId, "once");
    assert.deepEqual(await settle(socket, userId), ["once", "last"]);
  });
}

test("a client that cannot recover gets the messages that no device has confirmed", async () => {
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
  // The duration is under test.
  await pause(120_000);
  const back = next(socket, "connect");
  socket.connect();
  await back;
  assert.equal(socket.recovered, true);
  assert.equal(socket.id, id);
  assert.deepEqual(await settle(socket, "offline"), ["first", "missed", "last"]);
  socket.close();
});
