// A pacemaker wakes the objects of users who stay connected.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import * as client from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";
import {
  INTERVAL,
  LATE,
  TICK,
  TIMEOUT,
  connect,
  counting,
  isEmpty,
  isRegistered,
  pings,
  registered,
  vars,
} from "./support/pacemaker.ts";

const { closeAll, nextPing, statusOf, until } = client;

afterEach(closeAll);

describe("what it costs", () => {
  let server: DevServer;
  before(async () => {
    server = await createDevServer(vars, counting);
    await server.start();
  });
  after(() => server.close());

  test("a hundred idle users: one request a beat, and not a row", async () => {
    const users = Array.from({ length: 100 }, (_, index) => `idle${index}`);
    const sockets: Client[] = [];
    // All at once would take longer than so short a heartbeat allows.
    for (const id of users) sockets.push(await connect(server, id));
    await isRegistered(server, ...users);
    // The last one is registered; its alarm is about to be moved out.
    await pings(sockets, 1);
    const count = () => ({
      woken: server.logged("user_woken").length,
      rows: server.logged("rows_written").length,
      pacemakerRows: server.logged("pacemaker_rows_written"),
    });
    const from = { ...count(), at: Date.now() };
    let beats = 0;
    for (const socket of sockets) socket.io.engine.on("ping", () => beats++);
    // As many beats as in three minutes by default.
    await pings(sockets, 7);
    const to = { ...count(), at: Date.now() };
    assert.ok(beats >= 700, `${beats} beats`);
    const woken = to.woken - from.woken;
    // Those who have just been called may not have been pinged yet, or the other way round.
    assert.ok(woken <= beats + users.length, `${woken} requests for ${beats} beats`);
    assert.equal(to.rows - from.rows, 0, "rows in the users' objects");
    const ticks = (to.at - from.at) / TICK;
    const rows = to.pacemakerRows.slice(from.pacemakerRows.length);
    assert.ok(rows.length <= ticks + 3, `${rows.length} rows in ${ticks} ticks`);
    assert.ok(rows.every(({ isAlarm }) => isAlarm));

    closeAll();
    await isEmpty(server);
    // Nobody is registered, so it sleeps.
    await pause(INTERVAL);
    const asleep = count();
    await pause(INTERVAL);
    assert.deepEqual(count(), asleep);
  });

  test("whoever leaves soon is never registered, and registration ends at the next beat", async () => {
    const stays = await connect(server, "stays");
    const leaves = await connect(server, "leaves");
    await nextPing(leaves);
    leaves.close();
    await isRegistered(server, "stays");
    assert.deepEqual(registered(server), ["stays"]);
    assert.equal(server.storage("stays", "SELECT * FROM registration").length, 1);
    // Another device does not register again, and the calls serve both.
    const second = await connect(server, "stays");
    await pings([second, stays], 3);
    assert.deepEqual(registered(server), ["stays"]);
    stays.close();
    await pings([second], 1);
    assert.deepEqual(registered(server), ["stays"]);
    second.close();
    await isEmpty(server);
    assert.equal(server.storage("stays", "SELECT * FROM registration").length, 0);
  });

  test("a ghost is gone in the announced time", async () => {
    const ghosts = [await connect(server, "watched"), await connect(server, "unwatched")];
    const observer = await connect(server, "observer");
    await client.request(observer, "subscribe_online_status", { userIds: ["watched"] });
    await isRegistered(server, "watched", "unwatched");
    // From the beat after the subscription, it is also called to look for the answer.
    const slots = () =>
      [...server.pacemakers().values()].flat().find((row) => row.user_id === "watched")?.slots;
    await until(() => JSON.parse(slots()).length === 2, "the second slot");
    const rows = () =>
      server.logged("rows_written").filter(({ name }) => name === "watched").length;
    const before = rows();
    await pings(ghosts, 5);
    // On a busy machine a call may come so late that the object sets its alarm after all.
    assert.ok(rows() - before <= 2, "looking writes nothing");

    for (const ghost of ghosts) client.delayPongs(ghost, 3_600_000);
    const lastHeard = Date.now();
    const changes = client.record(observer, "user_online_status");
    await until(() => changes.length > 0, "the push");
    assert.deepEqual(
      changes.map(([, { userId, isOnline }]) => [userId, isOnline]),
      [["watched", false]],
    );
    const silence = Date.now() - lastHeard;
    assert.ok(silence <= INTERVAL + TIMEOUT + LATE, `${silence} ms`);
    // The other one is offline as soon as anybody asks, and closed at the next beat.
    assert.equal((await statusOf(observer, "unwatched")).isOnline, false);
    await until(() => !registered(server).some((id) => id !== "observer"), "the end of both");
  });

  test("after a crash, the last seen time is at most one heartbeat off, whoever asks first", async () => {
    const seen = ["crashed1", "crashed2"];
    const sockets = await Promise.all(seen.map((id) => connect(server, id)));
    await isRegistered(server, ...seen);
    await pings(sockets, 5);
    const killedAt = Date.now();
    await server.kill();
    closeAll();
    await pause(INTERVAL * 2);
    await server.start();
    const observer = await connect(server, "observer");
    for (const id of seen) {
      const { isOnline, lastSeen } = await statusOf(observer, id);
      assert.equal(isOnline, false);
      const off = killedAt - Date.parse(lastSeen ?? "");
      assert.ok(off > -LATE && off <= INTERVAL + LATE, `${off} ms off`);
    }
    await until(() => !registered(server).some((id) => id !== "observer"), "the end of both");
  });
});
