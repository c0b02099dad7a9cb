// A client may take almost PING_TIMEOUT_MS to answer a ping. It stays connected, queries meanwhile show it as
// online, and watchers are told nothing.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import * as client from "./support/clients.ts";
import type { Client, ClientOptions } from "./support/clients.ts";
import { openSession, poll, post } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PATH = "/socket.io";
const INTERVAL = 1_000;
const TIMEOUT = 8_000;
/** How long the client takes to answer a ping: longer than the ping interval. */
const SLOW = 5_000;

let server: Server;
let observer: Client;
before(async () => {
  server = await startServer({
    // Without a grace period, watchers are told of even the briefest absence.
    vars: {
      PING_INTERVAL_MS: `${INTERVAL}`,
      PING_TIMEOUT_MS: `${TIMEOUT}`,
      PRESENCE_GRACE_MS: "0",
      MAX_EVENTS_PER_SECOND: "0",
      // Bodies of polls are compared byte for byte.
      POLL_KEEPALIVE_MS: "0",
    },
  });
  observer = await client.connect(server, "observer", { transports: ["websocket"] });
});
after(async () => {
  client.closeAll();
  await server.close();
});

const isOnline = async (userId: string) => {
  const { isOnline, connectionCount } = await client.statusOf(observer, userId);
  assert.deepEqual([isOnline, connectionCount], [true, 1]);
};

/** Queries the status continuously until a little after the client sends its delayed pong. */
async function staysOnline(userId: string) {
  const until = Date.now() + SLOW + 200;
  while (Date.now() < until) {
    await isOnline(userId);
    await pause(20);
  }
}

/** Subscribes to the user. Returns the growing list of events that the watcher receives. */
async function watched(userId: string) {
  const watcher = await client.connect(server, `watcher of ${userId}`, {
    transports: ["websocket"],
  });
  await client.request(watcher, "subscribe_online_status", { userIds: [userId] });
  return client.record(watcher, "user_online_status");
}

async function realClient(userId: string, options: ClientOptions, isWatched: boolean) {
  const socket = await client.connect(server, userId, { transports: ["websocket"], ...options });
  client.delayPongs(socket, SLOW);
  const heard = isWatched ? await watched(userId) : [];
  await client.nextPing(socket);
  await staysOnline(userId);
  // Another ping proves that the server still considers the client alive.
  await client.nextPing(socket);
  assert.equal(socket.connected, true);
  assert.deepEqual(heard, []);
}

/** Stays online over polling, with the pong in a POST. */
async function poller(userId: string) {
  const sid = await openSession(server, PATH);
  await post(server, PATH, sid, `40${JSON.stringify({ token: server.token(userId) })}`);
  assert.match((await poll(server, PATH, sid))[1], /^40\{/);
  const heard = await watched(userId);
  assert.deepEqual(await poll(server, PATH, sid), [200, "2"]);
  const stays = staysOnline(userId);
  await pause(SLOW);
  assert.deepEqual(await post(server, PATH, sid, "3"), [200, "ok"]);
  await stays;
  assert.deepEqual(await poll(server, PATH, sid), [200, "2"]);
  assert.deepEqual(heard, []);
}

test("a client that is slow to answer pings stays connected", { concurrency: true }, async (t) => {
  await Promise.all([
    t.test("through the relay, watched", () => realClient("relayed", {}, true)),
    t.test("straight to the object, watched", () =>
      realClient("direct", { query: { token: server.token("direct") } }, true),
    ),
    // An unwatched user's socket is not closed on time; a query compares times instead.
    t.test("through the relay, not watched", () => realClient("unwatched", {}, false)),
    t.test("by polling, watched", () => poller("poller")),
  ]);
});
