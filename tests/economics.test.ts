// What an idle user costs: one alarm whatever the number of sockets, none without sockets, no write
// per pong, and sleep in between.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import * as client from "./support/clients.ts";
import type { Client, ClientOptions, Host } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";

// The period is pingInterval + 3/4 pingTimeout.
const PERIOD = 3_500;
const SILENCE = 4_000;

let brisk: DevServer;
let slow: DevServer;
before(async () => {
  brisk = await createDevServer({ PING_INTERVAL_MS: 2_000, PING_TIMEOUT_MS: 2_000 });
  slow = await createDevServer({ PING_INTERVAL_MS: 30_000, PING_TIMEOUT_MS: 20_000 });
  await Promise.all([brisk.start(), slow.start()]);
});
after(() => Promise.all([brisk.close(), slow.close()]));

const connect = (server: Host, userId: string, options: ClientOptions = {}) =>
  client.connect(server, userId, { transports: ["websocket"], ...options });
const nextPing = (socket: Client) =>
  new Promise<void>((resolve) => socket.io.engine.once("ping", resolve));
const { statusOf: status, until } = client;

test("one alarm serves all sockets, and pongs write nothing", async () => {
  const sockets = [await connect(brisk, "many")];
  await pause(700); // so that their pings would be due at different times
  sockets.push(await connect(brisk, "many"));
  await pause(700);
  sockets.push(await connect(brisk, "many"));

  const rounds = [];
  for (let round = 0; round < 3; round++) {
    const times = sockets.map((socket) => nextPing(socket).then(() => Date.now()));
    rounds.push(await Promise.all(times));
  }
  const first = rounds.map((times) => Math.min(...times));
  for (const times of rounds) {
    assert.ok(Math.max(...times) - Math.min(...times) < 250, `not in step: ${times}`);
  }
  for (const gap of [first[1] - first[0], first[2] - first[1]]) {
    assert.ok(gap > PERIOD - 250 && gap < SILENCE, `${gap} ms between pings`);
  }

  const stored = () => JSON.stringify(brisk.storage("many", "SELECT * FROM user_state"));
  const before = stored();
  await Promise.all(sockets.map(nextPing));
  const alarm = brisk.alarm("many");
  assert.ok(alarm !== null && alarm > Date.now() && alarm <= Date.now() + PERIOD);
  await pause(500); // the pongs are on their way
  assert.equal(brisk.alarm("many"), alarm);
  assert.equal(stored(), before);

  for (const socket of sockets) socket.close();
  await until(() => brisk.alarm("many") === null, "no alarm without sockets");
});

test("an object without a connection has no alarm", async () => {
  const socket = await connect(brisk, "asker");
  assert.equal((await status(socket, "never-here")).lastSeen, null);
  // Asking about someone leaves nothing behind, either.
  const tables = brisk.storage("never-here", "SELECT name FROM sqlite_master");
  const ours = (tables ?? []).filter(({ name }) => !name.startsWith("_"));
  assert.deepEqual(ours, []);
  socket.close();
});

test("idle, it hibernates between pings and its clients stay", { concurrency: true }, async (t) => {
  const half = '51-["get_online_status",{"_placeholder":true,"num":0}]';
  const raw = (socket: Client) => client.rawSocket(socket);

  // Half a binary packet is the one thing that is only in memory: whether it is still known tells
  // whether the constructor has run again.
  await Promise.all([
    t.test("awake, memory is kept", async () => {
      const socket = await connect(slow, "awake");
      const error = client.next(socket, "error");
      raw(socket).send(`4${half}`);
      await pause(1_000);
      raw(socket).send(Buffer.from([1]));
      assert.equal((await error)[0].message, "The payload must not hold binary data");
      socket.close();
    }),
    t.test("after a while, the constructor has run again", async () => {
      const socket = await connect(slow, "asleep");
      const other = await connect(slow, "asleep");
      const gone = new Promise((resolve) => socket.once("disconnect", resolve));
      raw(socket).send(`4${half}`);
      await pause(15_000); // the platform hibernates an idle object after ten seconds
      assert.equal(other.connected, true);
      raw(socket).send(Buffer.from([1]));
      assert.equal(await gone, "transport close");
      // The other one's session was not in memory.
      assert.equal((await status(other, "asleep")).connectionCount, 1);
      other.close();
    }),
    t.test("two minutes of idling", async () => {
      const sockets = await Promise.all([
        connect(brisk, "idler"),
        connect(brisk, "idler", { query: { token: brisk.token("idler") } }),
        connect(brisk, "idler", { transports: ["polling"] }),
        connect(brisk, "idler", { transports: ["polling", "websocket"] }),
      ]);
      await pause(120_000);
      assert.deepEqual(
        sockets.map((socket) => socket.connected),
        [true, true, true, true],
      );
      assert.equal((await status(sockets[0], "idler")).connectionCount, 4);
      for (const socket of sockets) socket.close();
    }),
  ]);
});
