// Online status, connection counts and last-seen times.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import {
  closeAll,
  connect,
  rawSocket,
  refusal,
  request,
  statusOf,
  until,
} from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

let server: Server;
let observer: Client;
before(async () => {
  server = await startServer();
});
afterEach(closeAll);
after(() => server.close());

const count = async (userId: string) => (await statusOf(observer, userId)).connectionCount;
const offline = (userId: string) =>
  until(async () => {
    const status = await statusOf(observer, userId);
    return !status.isOnline && status;
  }, `${userId} offline`);

const near = (iso: string | null, at: number) => {
  const off = Math.abs(Date.parse(iso ?? "") - at);
  assert.ok(off < 500, `${off} ms off`);
};

test("an unknown user", async () => {
  observer = await connect(server, "observer");
  assert.deepEqual(await statusOf(observer, "nobody"), {
    userId: "nobody",
    isOnline: false,
    lastSeen: null,
    connectionCount: 0,
  });
});

test("two devices that leave one after the other", async () => {
  observer = await connect(server, "observer");
  const phone = await connect(server, "two", { transports: ["websocket"] });
  const laptop = await connect(server, "two", { transports: ["polling"] });
  assert.equal(await count("two"), 2);
  phone.close();
  await until(async () => (await count("two")) === 1, "one device left");
  laptop.io.engine.close();
  const { lastSeen } = await offline("two");
  near(lastSeen, Date.now());
});

test("a connection that breaks without a close", async () => {
  observer = await connect(server, "observer");
  const socket = await connect(server, "broken", { transports: ["websocket"] });
  rawSocket(socket).terminate();
  near((await offline("broken")).lastSeen, Date.now());
});

test("last seen survives the object's eviction", async () => {
  observer = await connect(server, "observer");
  const socket = await connect(server, "evicted");
  socket.close();
  const before = await offline("evicted");
  await server.evict("evicted", "close");
  assert.deepEqual(await statusOf(observer, "evicted"), before);
});

test("eviction that closes the sockets takes the user offline, last seen at that time", async () => {
  observer = await connect(server, "observer");
  await connect(server, "cut", { transports: ["websocket"] });
  await server.evict("cut", "close");
  const { isOnline, lastSeen } = await offline("cut");
  assert.equal(isOnline, false);
  near(lastSeen, Date.now());
});

test("leaving the namespace takes the user offline, although the engine stays open", async () => {
  observer = await connect(server, "observer");
  const socket = await connect(server, "leaver", { transports: ["websocket"] });
  rawSocket(socket).send("41");
  near((await offline("leaver")).lastSeen, Date.now());
  assert.equal(socket.io.engine.readyState, "open");
});

test("the user's own status", async () => {
  observer = await connect(server, "observer");
  const own = await statusOf(observer, "observer");
  assert.equal(own.connectionCount, 1);
});

test("many at once: each once, in request order, and at most MAX_STATUS_USERS", async () => {
  observer = await connect(server, "observer");
  await connect(server, "present");
  const ask = (userIds: string[]) => request(observer, "get_bulk_online_status", { userIds });
  const map = await ask(["z", "present", "ü 字/1", "z", "observer"]);
  assert.deepEqual(Object.keys(map), ["z", "present", "ü 字/1", "observer"]);
  assert.deepEqual(
    Object.values(map).map(({ isOnline }) => isOnline),
    [false, true, false, true],
  );
  const many = Array.from({ length: 500 }, (_, index) => `user ${index}`);
  assert.equal(Object.keys(await ask(many)).length, 500);
  const userIds = [...many, "one too many"];
  assert.deepEqual(await refusal(observer, "get_bulk_online_status", { userIds }), {
    code: "too_many",
    message: "userIds must not name more than 500 users",
  });
});
