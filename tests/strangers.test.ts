// Presence of ids that are no users: the answer is offline, and nothing is written except by the user who asks.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { closeAll, connect, next, request, sendTo, statusOf, until } from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";

const GRACE = 500;
const API_KEY = "a key for the backend, of 40 characters..";

let server: DevServer;
before(async () => {
  server = await createDevServer({ PRESENCE_GRACE_MS: GRACE, API_KEY });
  await server.start();
});
afterEach(closeAll);
after(() => server.close());

const subscribe = (socket: Client, ...userIds: string[]) =>
  request(socket, "subscribe_online_status", { userIds });

const offline = { isOnline: false, lastSeen: null };

/** Returns the tables that a user's object has created. */
const tablesOf = (userId: string) =>
  server
    .storage(userId, "SELECT name FROM sqlite_master WHERE type = 'table'")
    .map(({ name }) => name)
    .filter((name) => !name.startsWith("_"));

/** Resolves to the next status of this user that is pushed. */
async function pushed(socket: Client, userId: string) {
  for (;;) {
    const [status] = await next(socket, "user_online_status");
    if (status.userId === userId) return status;
  }
}

test("whoever asks for the presence of ids that are no users writes nothing elsewhere", async () => {
  const asker = await connect(server, "asker");
  const ids = ["nobody1", "nobody2", "nobody3"];
  assert.equal((await statusOf(asker, "nobody1")).lastSeen, null);
  const statuses = await request(asker, "get_bulk_online_status", { userIds: ids });
  assert.deepEqual(Object.values(statuses), [offline, offline, offline]);
  assert.deepEqual(Object.values(await subscribe(asker, ...ids)), [offline, offline, offline]);
  // The asker's object has written its row by now, so the others would have, too.
  const [row] = server.storage("asker", "SELECT statuses FROM watches");
  assert.deepEqual(Object.keys(JSON.parse(row.statuses)), ids);
  for (const id of ids) assert.deepEqual(tablesOf(id), []);
  assert.deepEqual(server.d1("SELECT user_id FROM users WHERE user_id LIKE 'nobody%'"), []);
});

test("who becomes a user is seen by those who subscribe again", async () => {
  const watcher = await connect(server, "watcher1");
  assert.deepEqual(await subscribe(watcher, "newcomer"), { newcomer: offline });
  const newcomer = await connect(server, "newcomer");
  assert.equal((await statusOf(watcher, "newcomer")).isOnline, true);
  assert.equal((await subscribe(watcher, "newcomer")).newcomer.isOnline, true);
  const status = pushed(watcher, "newcomer");
  newcomer.close();
  assert.equal((await status).isOnline, false);
});

test("who becomes a user is seen by those who recover", async () => {
  const watcher = await connect(server, "watcher2", {
    transports: ["websocket"],
    reconnection: true,
    reconnectionDelay: 1_000,
  });
  const friend = await connect(server, "friend");
  await sendTo(friend, { receiverId: "watcher2" }, "an offset to recover from");
  await until(() => watcher.texts.length === 1, "the message");
  assert.deepEqual(await subscribe(watcher, "latecomer"), { latecomer: offline });
  const status = pushed(watcher, "latecomer");
  const again = next(watcher, "connect");
  watcher.io.engine.close();
  await connect(server, "latecomer");
  await again;
  assert.equal(watcher.recovered, true);
  assert.equal((await status).isOnline, true);
});

test("a user who has never connected is watched like any other", async () => {
  server.addUsers(["invited"]);
  const watcher = await connect(server, "watcher3");
  assert.deepEqual(await subscribe(watcher, "invited"), { invited: offline });
  const status = pushed(watcher, "invited");
  await connect(server, "invited");
  assert.equal((await status).isOnline, true);
});

test("who is erased is nobody again", async () => {
  const watcher = await connect(server, "watcher4");
  const leaver = await connect(server, "leaver");
  assert.equal((await subscribe(watcher, "leaver")).leaver.isOnline, true);
  const status = pushed(watcher, "leaver");
  const headers = { Authorization: `Bearer ${API_KEY}` };
  const erased = await fetch(`${server.url}/v1/users/leaver`, { method: "DELETE", headers });
  assert.equal(erased.status, 204);
  assert.equal((await status).isOnline, false);
  await until(() => !leaver.connected, "the end of the connection");
  assert.deepEqual(await subscribe(watcher, "leaver"), { leaver: offline });
  assert.deepEqual(server.d1("SELECT user_id FROM users WHERE user_id = 'leaver'"), []);
});
