// A client may take almost PING_TIMEOUT_MS to answer a ping: it is not lost, is online for whoever asks
// meanwhile, and those who watch hear nothing.

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
/** How long the client takes to answer a ping: longer than until the next one would be due. */
const SLOW = 5_000;

let server: Server;
let observer: Client;
before(async () => {
  server = await startServer({
    // Without a grace, whoever watches hears of every moment.
    vars: {
      PING_INTERVAL_MS: `${INTERVAL}`,
      PING_TIMEOUT_MS: `${TIMEOUT}`,
      PRESENCE_GRACE_MS: "0",
      MAX_EVENTS_PER_SECOND: "0",
      // What a poll gets is compared to the byte.
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

/** Asks without a pause for as long as the client keeps its pong back, and a little longer. */
async function staysOnline(userId: string) {
  const until = Date.now() + SLOW + 200;
  while (Date.now() < until) {
    await isOnline(userId);
    await pause(20);
  }
}

/** A watched user: what the watcher hears of them. */
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
  // One ping more: it comes only to who was not given up.
  await client.nextPing(socket);
  assert.equal(socket.connected, true);
  assert.deepEqual(heard, []);
}

/** By polling, with the pongs in POSTs of their own. */
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

test("a client that takes its time to answer stays", { concurrency: true }, async (t) => {
  await Promise.all([
    t.test("through the relay, watched", () => realClient("relayed", {}, true)),
    t.test("straight to the object, watched", () =>
      realClient("direct", { query: { token: server.token("direct") } }, true),
    ),
    // Of who is not watched, nobody closes the socket in time: whoever asks compares times.
    t.test("through the relay, not watched", () => realClient("unwatched", {}, false)),
    t.test("by polling, watched", () => poller("poller")),
  ]);
});
