// Many watchers of one user: alarms tell them in steps, also across a kill of the server.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { closeAll, connect, next, request, until } from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";

const WATCHERS = 80;
const AT_ONCE = 4;

let server: DevServer;
before(async () => {
  server = await createDevServer({
    WATCHERS_PER_ALARM: AT_ONCE,
    FANOUT_CONCURRENCY: 1,
    PRESENCE_GRACE_MS: 60_000,
  });
  // Whoever is no user has no watchers.
  server.addUsers(["star", "comet"]);
  await server.start();
});
after(async () => {
  closeAll();
  await server.close();
});

const idOf = (index: number) => `watcher${String(index).padStart(3, "0")}`;

/** Connects the watchers of a user, who is offline. */
async function connectWatchers(userId: string) {
  const all: Client[] = [];
  const ids = Array.from({ length: WATCHERS }, (_, index) => idOf(index));
  const connectOne = async () => {
    for (let id = ids.shift(); id !== undefined; id = ids.shift()) {
      const socket = await connect(server, id, { transports: ["websocket"] });
      all.push(socket);
      await request(socket, "subscribe_online_status", { userIds: [userId] });
    }
  };
  await Promise.all([connectOne(), connectOne(), connectOne(), connectOne()]);
  return all;
}

const pushesTo = (socket: Client) =>
  socket.events
    .filter(([name]) => name === "user_online_status")
    .map(([, { isOnline }]) => isOnline);
const heard = (sockets: Client[]) => sockets.filter((socket) => pushesTo(socket).length > 0);
const online = (userId: string) => connect(server, userId, { transports: ["websocket"] });
const watched = (userId: string) => server.storage(userId, "SELECT * FROM watched")[0];

test("everybody is told once, in steps", async () => {
  const all = await connectWatchers("star");
  await online("star");
  const isTelling = () => watched("star").cursor > "";
  await until(isTelling, "more than one step");
  await until(() => heard(all).length === WATCHERS, "everybody has heard", 20_000);
  await until(() => watched("star").telling === null, "the round is over");
  for (const socket of all) assert.deepEqual(pushesTo(socket), [true]);
  closeAll();
});

test("after a kill, telling goes on where it was", async () => {
  const all = await connectWatchers("comet");
  const disconnected = next(all[0], "disconnect");
  await online("comet");
  await until(() => heard(all).length >= 2 * AT_ONCE, "some have heard", 20_000);
  await server.kill();
  await disconnected;
  const { cursor } = watched("comet");
  assert.ok(cursor > idOf(0) && cursor < idOf(WATCHERS - 1), `killed at ${cursor}`);
  assert.ok(heard(all).length < WATCHERS, "everybody was told already");
  closeAll();

  // The watchers do not come back. So whoever is told now no longer wants it, and is removed: those after the cursor.
  await server.start();
  await online("comet");
  const left = () => server.storage("comet", "SELECT user_id FROM watchers ORDER BY user_id");
  await until(() => watched("comet").telling === null, "the round is over", 20_000);
  const expected = Array.from({ length: WATCHERS }, (_, index) => idOf(index));
  assert.deepEqual(
    left().map(({ user_id }) => user_id),
    expected.filter((id) => id <= cursor),
  );
  closeAll();
});
