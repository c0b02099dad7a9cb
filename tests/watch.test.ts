// Pushed presence: watchers are told once per change, for as long as they watch.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { closeAll, connect, next, refusal, request, statusOf, until } from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const GRACE = 1_000;

let server: Server;
before(async () => {
  server = await startServer({ vars: { PRESENCE_GRACE_MS: `${GRACE}` } });
});
afterEach(closeAll);
after(() => server.close());

const subscribe = (socket: Client, ...userIds: string[]) =>
  request(socket, "subscribe_online_status", { userIds });
const unsubscribe = (socket: Client, ...userIds: string[]) =>
  request(socket, "unsubscribe_online_status", { userIds });

/** Returns the statuses of a user that were pushed to the socket: true for online. */
const told = (socket: Client, userId: string) =>
  socket.events
    .filter(([name, payload]) => name === "user_online_status" && payload.userId === userId)
    .map(([, { isOnline }]) => isOnline);
const hears = (socket: Client, userId: string, ...expected: unknown[]) =>
  until(
    () => JSON.stringify(told(socket, userId)) === JSON.stringify(expected),
    `${userId}: ${expected}`,
  ).catch((error) => {
    throw new Error(`${error.message}, but was told ${told(socket, userId)}`);
  });

test("the reply has the current status; changes are pushed once, however many devices", async () => {
  await server.addUser("away");
  const watcher = await connect(server, "w1");
  const here = await connect(server, "here");
  const reply = await subscribe(watcher, "here", "away", "w1");
  assert.equal(reply.here.isOnline, true);
  assert.deepEqual(reply.away, { isOnline: false, lastSeen: null });
  assert.equal(reply.w1.isOnline, true);

  const pushed = next(watcher, "user_online_status");
  const away = await connect(server, "away");
  const [status] = await pushed;
  assert.deepEqual(Object.keys(status), ["userId", "isOnline", "lastSeen", "connectionCount"]);
  assert.deepEqual(status, { ...status, userId: "away", isOnline: true, connectionCount: 1 });
  const second = await connect(server, "away", { transports: ["polling"] });
  away.close();
  second.close();
  here.close();
  await hears(watcher, "away", true, false);
  await hears(watcher, "here", false);
  await connect(server, "here");
  await hears(watcher, "here", false, true);
  assert.deepEqual(told(watcher, "away"), [true, false]);
});

test("a reconnect within the grace period is not a change", async () => {
  const watcher = await connect(server, "w2");
  const first = await connect(server, "hasty");
  const friend = await connect(server, "friend2");
  await subscribe(watcher, "hasty");
  first.close();
  await until(async () => !(await statusOf(friend, "hasty")).isOnline, "offline");
  await connect(server, "hasty");
  // The grace period has passed when a later change of another user is pushed; nothing came for this one.
  const marker = await connect(server, "marker");
  await subscribe(watcher, "marker");
  marker.close();
  await hears(watcher, "marker", false);
  assert.deepEqual(told(watcher, "hasty"), []);
});

test("a watcher who subscribes while a user reloads is told that the user is back", async () => {
  const watcher = await connect(server, "w2a");
  const first = await connect(server, "reloading");
  const friend = await connect(server, "friend2a");
  const other = await connect(server, "w2b");
  const otherDevice = await connect(server, "w2a");
  await subscribe(watcher, "reloading");
  first.close();
  await until(async () => !(await statusOf(friend, "reloading")).isOnline, "offline");
  const replies = await Promise.all(
    [other, otherDevice].map((socket) => subscribe(socket, "reloading")),
  );
  assert.deepEqual(
    replies.map(({ reloading }) => reloading.isOnline),
    [false, false],
  );
  await connect(server, "reloading");
  await Promise.all([other, otherDevice].map((socket) => hears(socket, "reloading", true)));
  // A watcher who was not told that the user had gone is not told that they are back.
  const marker = await connect(server, "marker2");
  await subscribe(watcher, "marker2");
  marker.close();
  await hears(watcher, "marker2", false);
  assert.deepEqual(told(watcher, "reloading"), []);
});

test("subscriptions belong to a connection and end with it, or with unsubscribing", async () => {
  for (const id of ["x1", "x2"]) await server.addUser(id);
  const [one, other] = await Promise.all([connect(server, "w3"), connect(server, "w3")]);
  await subscribe(one, "x1", "x2");
  await subscribe(other, "x2");
  const x1 = await connect(server, "x1");
  const x2 = await connect(server, "x2");
  await hears(one, "x1", true);
  await hears(one, "x2", true);
  await hears(other, "x2", true);
  assert.deepEqual(told(other, "x1"), []);

  assert.deepEqual(await unsubscribe(one, "x2", "nobody"), { userIds: ["x2", "nobody"] });
  x2.close();
  await hears(other, "x2", true, false);
  x1.close();
  await hears(one, "x1", true, false);
  assert.deepEqual(told(one, "x2"), [true]);

  one.close();
  const again = await connect(server, "w3");
  await connect(server, "x1");
  await connect(server, "x2");
  await hears(other, "x2", true, false, true);
  assert.deepEqual(told(again, "x1"), []);
});

test("subscriptions survive the hibernation of both sides", async () => {
  const watcher = await connect(server, "w4", { transports: ["websocket"] });
  const here = await connect(server, "sleepy", { transports: ["websocket"] });
  await subscribe(watcher, "sleepy");
  await server.evict("w4", "hibernate");
  await server.evict("sleepy", "hibernate");
  here.close();
  await hears(watcher, "sleepy", false);
});

test("subscriptions survive recovery, after which only missed changes are pushed", async () => {
  const watcher = await connect(server, "w5", { reconnection: true, reconnectionDelay: 1_500 });
  // A session that has received no event has no offset to recover from.
  const friend = await connect(server, "friend");
  const gone = await connect(server, "gone");
  const steady = await connect(server, "steady");
  await subscribe(watcher, "gone", "steady");
  await request(friend, "send_message", {
    receiverId: "w5",
    messageType: "text",
    content: { text: "an offset" },
  });
  await until(() => watcher.texts.length === 1, "the message");
  watcher.io.engine.close();
  gone.close();
  await until(async () => !(await statusOf(friend, "gone")).isOnline, "gone is gone");
  await next(watcher, "connect");
  assert.equal(watcher.recovered, true);
  await hears(watcher, "gone", false);
  steady.close();
  await hears(watcher, "steady", false);
});

test("the limit, and invalid requests", async () => {
  const watcher = await connect(server, "w6");
  const many = Array.from({ length: 501 }, (_, index) => `many${index}`);
  const tooMany = { code: "too_many", message: "userIds must not name more than 500 users" };
  const refused = (socket: Client, userIds: string[]) =>
    refusal(socket, "subscribe_online_status", { userIds });
  assert.deepEqual(await refused(watcher, many), tooMany);
  const empty = { code: "invalid_payload", message: "userIds must be a non-empty array" };
  assert.deepEqual(await refused(watcher, []), empty);
  const small = await startServer({ vars: { MAX_SUBSCRIPTIONS: "2" } });
  try {
    const socket = await connect(small, "w");
    await subscribe(socket, "a", "b");
    const more = {
      code: "too_many",
      message: "A connection must not subscribe to more than 2 users",
    };
    assert.deepEqual(await refused(socket, ["c"]), more);
    await unsubscribe(socket, "a");
    assert.deepEqual(Object.keys(await subscribe(socket, "c")), ["c"]);
  } finally {
    closeAll();
    await small.close();
  }
});

test("a user with too many watchers shows their status to more, but no changes of it", async () => {
  const small = await startServer({
    vars: { MAX_WATCHERS_PER_USER: "2", PRESENCE_GRACE_MS: "0" },
  });
  try {
    const sockets = [];
    for (const id of ["a", "b", "late"]) sockets.push(await connect(small, id));
    const star = await connect(small, "star");
    for (const socket of sockets) {
      assert.equal((await subscribe(socket, "star")).star.isOnline, true);
    }
    const [a, b, late] = sockets;
    star.close();
    await hears(a, "star", false);
    await hears(b, "star", false);
    // What would have come to the third watcher has come when a later change of another user is pushed.
    const marker = await connect(small, "marker");
    await subscribe(late, "marker");
    marker.close();
    await hears(late, "marker", false);
    assert.deepEqual(told(late, "star"), []);
    // A watcher who no longer listens makes room at the next change.
    await unsubscribe(a, "star");
    const again = await connect(small, "star");
    await hears(b, "star", false, true);
    await subscribe(late, "star");
    again.close();
    await hears(late, "star", false);
  } finally {
    closeAll();
    await small.close();
  }
});

test("a user who vanishes silently is reported in time", async () => {
  const interval = 2_000;
  const timeout = 2_000;
  const dev = await createDevServer({
    PING_INTERVAL_MS: `${interval}`,
    PING_TIMEOUT_MS: `${timeout}`,
    PRESENCE_GRACE_MS: `${GRACE}`,
  });
  try {
    await dev.start();
    const watcher = await connect(dev, "w");
    const ghost = await connect(dev, "ghost", { transports: ["websocket"] });
    await subscribe(watcher, "ghost");
    // The socket stays open but no longer answers pings.
    Object.assign(ghost.io.engine, { _onPacket: () => {}, onPacket: () => {} });
    ghost.io.engine.transport.removeAllListeners("packet");
    const silentSince = Date.now();
    const [status] = await next(watcher, "user_online_status");
    assert.equal(status.isOnline, false);
    const took = Date.now() - silentSince;
    // The last pong may have been sent just before; the alarm may be slightly late.
    assert.ok(took <= interval + timeout + 1_000, `${took} ms`);
  } finally {
    closeAll();
    await dev.close();
  }
});
