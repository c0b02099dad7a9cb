// What an idle user costs: one alarm for any number of sockets, none without sockets, no write per pong, and
// hibernation between pings.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import * as client from "./support/clients.ts";
import type { Client, ClientOptions, Host } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";

const INTERVAL = 2_000;
/** How long a client waits for a packet before it gives up. */
const SILENCE = INTERVAL + 2_000;

let brisk: DevServer;
let slow: DevServer;
before(async () => {
  brisk = await createDevServer({ PING_INTERVAL_MS: INTERVAL, PING_TIMEOUT_MS: 2_000 });
  // Longer than the ten seconds after which the platform hibernates an idle object.
  slow = await createDevServer({ PING_INTERVAL_MS: 16_000, PING_TIMEOUT_MS: 8_000 });
  await Promise.all([brisk.start(), slow.start()]);
});
after(() => Promise.all([brisk.close(), slow.close()]));

const connect = (server: Host, userId: string, options: ClientOptions = {}) =>
  client.connect(server, userId, { transports: ["websocket"], ...options });
const { nextPing, statusOf: status, until } = client;

/** Returns a growing list of the times at which the client is pinged from now on. */
function timesOfPings(socket: Client) {
  const times: number[] = [];
  socket.io.engine.on("ping", () => times.push(Date.now()));
  return times;
}

// An incomplete binary packet is the only state that is kept in memory alone: if it is lost, the constructor
// has run again.
const sendHalf = (socket: Client) =>
  client.rawSocket(socket).send('451-["get_online_status",{"_placeholder":true,"num":0}]');
const sendRest = (socket: Client) => client.rawSocket(socket).send(Buffer.from([1]));

const everyWay = (userId: string) =>
  Promise.all(
    client.ways.map((way) => client.connect(slow, userId, client.optionsOf(way, slow, userId))),
  );

/**
 * Another connection of the user sends half a packet after one ping and the rest after the next. Only the
 * second ping can have woken the object, so if the half is lost, the object hibernated in between.
 */
async function pingsFromSleep(userId: string, other: Client) {
  // In step with the others from the first ping: pings in between would keep the object awake.
  await nextPing(other);
  const socket = await connect(slow, userId);
  const forgotten = client.next(socket, "disconnect").then(([reason]) => reason);
  const remembered = client.next(socket, "error").then(([error]) => error.message);
  await nextPing(socket);
  sendHalf(socket);
  await nextPing(socket);
  sendRest(socket);
  assert.equal(await Promise.race([forgotten, remembered]), "transport close");
}

// Each has its own users, and mostly waits.
describe("an idle user", { concurrency: true }, () => {
  test("one alarm serves all sockets, and pongs write nothing", async () => {
    const sockets = [await connect(brisk, "many")];
    await pause(700); // so that their pings would be due at different times
    sockets.push(await connect(brisk, "many"));
    await pause(700);
    sockets.push(await connect(brisk, "many"));

    // When a ping is due, pings that are due soon are sent along, so the sockets fall into step.
    for (let round = 0; round < 3; round++) await Promise.all(sockets.map(nextPing));
    const pings = sockets.map((socket) => timesOfPings(socket));
    // Start half an interval away from any ping, so that the sockets' next pings belong to the same round.
    await nextPing(sockets[0]);
    await pause(INTERVAL / 2);
    for (const times of pings) times.length = 0;
    await until(() => pings.every((times) => times.length >= 3), "three pings each");
    const rounds = [0, 1, 2].map((round) => pings.map((times) => times[round]));
    const first = rounds.map((times) => Math.min(...times));
    for (const times of rounds) {
      assert.ok(Math.max(...times) - Math.min(...times) < 250, `not in step: ${times}`);
    }
    for (const gap of [first[1] - first[0], first[2] - first[1]]) {
      // An alarm may be late on a busy machine, but not later than the client's timeout.
      assert.ok(gap > INTERVAL - 250 && gap < SILENCE, `${gap} ms between pings`);
    }

    const stored = () => JSON.stringify(brisk.storage("many", "SELECT * FROM user_state"));
    const before = stored();
    await Promise.all(sockets.map(nextPing));
    const alarm = brisk.alarm("many");
    assert.ok(alarm !== null && alarm > Date.now() && alarm <= Date.now() + INTERVAL);
    await pause(500); // the pongs are on their way
    assert.equal(brisk.alarm("many"), alarm);
    assert.equal(stored(), before);

    for (const socket of sockets) socket.close();
    await until(() => brisk.alarm("many") === null, "no alarm without sockets");
  });

  test("an object without a connection has no alarm", async () => {
    const socket = await connect(brisk, "asker");
    assert.equal((await status(socket, "never-here")).lastSeen, null);
    // A query about an unknown user writes nothing.
    const tables = brisk.storage("never-here", "SELECT name FROM sqlite_master");
    const ours = (tables ?? []).filter(({ name }) => !name.startsWith("_"));
    assert.deepEqual(ours, []);
    socket.close();
  });

  test("an object that is awake keeps its memory", async () => {
    const socket = await connect(slow, "awake");
    const error = client.next(socket, "error");
    sendHalf(socket);
    await pause(1_000);
    sendRest(socket);
    assert.equal((await error)[0].message, "The payload must not hold binary data");
    socket.close();
  });

  test("for minutes, alarms wake it from hibernation to ping, and clients stay connected", async () => {
    const from = Date.now();
    const sockets = await everyWay("idler");
    const pings = sockets.map(() => 0);
    sockets.forEach((socket, index) => socket.io.engine.on("ping", () => pings[index]++));
    const [first] = sockets;
    await pingsFromSleep("idler", first);
    // The duration is under test.
    await pause(45_000);
    await pingsFromSleep("idler", first);
    assert.ok(Date.now() - from >= 120_000);
    assert.ok(Math.min(...pings) >= 6, `pings: ${pings}`);
    assert.deepEqual(
      sockets.map((socket) => socket.connected),
      [true, true, true, true],
    );
    assert.equal((await status(sockets[0], "idler")).connectionCount, 4);
    for (const socket of sockets) socket.close();
  });
});
