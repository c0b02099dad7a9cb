// Connection state recovery with the real client: nothing missed, nothing twice, the same session.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { io } from "socket.io-client";

import { createDevServer } from "./support/dev.mjs";
import { startServer } from "./support/server.mjs";

let server;
let sender;
before(async () => {
  server = await startServer();
  sender = client("contractor1", { claims: { role: "contractor" } });
  await connected(sender);
});
after(async () => {
  sender.close();
  await server.close();
});

/** A client that writes down the texts it gets. */
function client(userId, { claims, ...options } = {}) {
  const socket = io(server.url, {
    auth: { token: server.token(userId, claims) },
    transports: ["websocket"],
    reconnectionDelay: 50,
    reconnectionDelayMax: 50,
    forceNew: true,
    ...options,
  });
  socket.texts = [];
  socket.on("new_message", ({ content }) => socket.texts.push(content.text));
  return socket;
}

const connected = (socket) => new Promise((resolve) => socket.once("connect", resolve));
const disconnected = (socket) => new Promise((resolve) => socket.once("disconnect", resolve));

async function send(receiverId, text) {
  const result = await sender.timeout(5_000).emitWithAck("send_bulk_message", {
    receiverIds: [receiverId],
    messageType: "text",
    content: { text },
  });
  assert.equal(result.totalSent, 1, JSON.stringify(result));
  return result.results[0].delivered;
}

/** A connected client that has got one message, and so has an offset. */
async function clientWithOffset(userId, options) {
  const socket = client(userId, options);
  await connected(socket);
  assert.equal(socket.recovered, false);
  const got = new Promise((resolve) => socket.once("new_message", resolve));
  await send(userId, "first");
  await got;
  return socket;
}

/** What the client shows once a last message has come through. */
async function settle(socket, userId) {
  const last = new Promise((resolve) => {
    socket.on("new_message", ({ content }) => content.text === "last" && resolve());
  });
  await send(userId, "last");
  await last;
  return socket.texts;
}

const dropNetwork = (socket) => socket.io.engine.transport.ws.terminate();

for (const transports of [["websocket"], ["polling", "websocket"]]) {
  test(`the network drops, over ${transports}`, async () => {
    const userId = `drop-${transports.length}`;
    const socket = await clientWithOffset(userId, { transports });
    if (transports.length > 1 && socket.io.engine.transport.name !== "websocket") {
      await new Promise((resolve) => socket.io.engine.once("upgrade", resolve));
    }
    const { id } = socket;
    socket.io.reconnection(false);
    const gone = disconnected(socket);
    dropNetwork(socket);
    assert.equal(await gone, "transport close");
    await send(userId, "missed 1");
    await send(userId, "missed 2");
    const back = connected(socket);
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
  const back = connected(socket);
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
  const auth = { ...socket.auth, pid: socket._pid, offset: socket._lastOffset };
  const twin = client("ghost", { auth });
  const gone = disconnected(socket);
  socket.io.reconnection(false);
  await connected(twin);
  await gone;
  assert.equal(twin.id, id);
  const { connectionCount } = await twin
    .timeout(3_000)
    .emitWithAck("get_online_status", { userId: "ghost" });
  assert.equal(connectionCount, 1);
  twin.close();
});

test("a pid is worth nothing to another user, and nothing is stored for it", async () => {
  const dev = await createDevServer();
  await dev.start();
  const join = async (userId, auth) => {
    const token = dev.token(userId, { role: "contractor" });
    const socket = io(dev.url, {
      auth: { token, ...auth },
      transports: ["websocket"],
      forceNew: true,
    });
    await connected(socket);
    return socket;
  };
  const stored = () =>
    JSON.stringify(
      ["user_state", "log"].map((table) => dev.storage("thief", `SELECT * FROM ${table}`)),
    );
  const victim = await join("victim");
  const honest = await join("thief");
  const before = stored();
  const thief = await join("thief", { pid: victim._pid, offset: "0" });
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
  sender = client("contractor1", { claims: { role: "contractor" } });
  try {
    await connected(sender);
    const socket = await clientWithOffset("late");
    socket.io.reconnection(false);
    const gone = disconnected(socket);
    dropNetwork(socket);
    await gone;
    for (const text of ["a", "b", "c", "d", "e"]) await send("late", text);
    socket.texts.length = 0;
    const back = connected(socket);
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
  const gone = disconnected(socket);
  dropNetwork(socket);
  await gone;
  await send("offline", "missed");
  // The time itself is what is tested.
  await pause(120_000);
  const back = connected(socket);
  socket.connect();
  await back;
  assert.equal(socket.recovered, true);
  assert.equal(socket.id, id);
  assert.deepEqual(await settle(socket, "offline"), ["first", "missed", "last"]);
  socket.close();
});
