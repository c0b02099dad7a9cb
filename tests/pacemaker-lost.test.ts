// Whatever becomes of a pacemaker, no client is lost.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import * as client from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";
import { gatedWorker, startGate } from "./support/gate.ts";
import type { Gate } from "./support/gate.ts";
import {
  INTERVAL,
  LATE,
  TICK,
  connect,
  gapsOf,
  isEmpty,
  isRegistered,
  pings,
  registered,
  vars,
} from "./support/pacemaker.ts";

const { closeAll, next, nextPing, statusOf, until } = client;

const SAFETY = 15_000;
/** Clients are more patient than everything that is to happen meanwhile. */
const patience = { PING_TIMEOUT_MS: 20_000 };
let gate: Gate;
let server: DevServer;
before(async () => {
  gate = await startGate();
  server = await createDevServer(
    { ...vars, ...patience, PACEMAKER_SAFETY_MS: SAFETY, GATE_URL: gate.url },
    { wrapper: gatedWorker },
  );
  await server.start();
});
// Each test has the pacemaker to itself.
afterEach(async () => {
  closeAll();
  gate.openAll();
  await isEmpty(server);
});
after(async () => {
  await server.close();
  gate.close();
});

/** Connects a client whose user's object a pacemaker calls. */
async function called(userId: string) {
  const socket = await connect(server, userId);
  await isRegistered(server, userId);
  await pings([socket], 1);
  return socket;
}

/** Asks something, which makes the object find out that it was not called, and waits for the ping. */
async function isPingedAtOnce(socket: Client) {
  const from = Date.now();
  const ping = nextPing(socket);
  await statusOf(socket, "nobody");
  await ping;
  const waited = Date.now() - from;
  // The object's own alarm fires INTERVAL + SAFETY after the registration, which is later.
  assert.ok(waited < LATE, `${waited} ms`);
}

test("it is killed again and again: every client is pinged in time", async () => {
  const users = Array.from({ length: 12 }, (_, index) => `survivor${index}`);
  const sockets = await Promise.all(
    users.map((id, index) => {
      const way = client.ways[index % client.ways.length];
      return connect(server, id, client.optionsOf(way, server, id));
    }),
  );
  await isRegistered(server, ...users);
  const disconnected = sockets.map((socket) => next(socket, "disconnect"));
  for (let kill = 0; kill < 3; kill++) {
    await gate.answerOnce("pacemaker", 410);
    await pings(sockets, 2);
  }
  assert.ok(sockets.every((socket) => socket.connected));
  const lost = await Promise.race([Promise.any(disconnected), pause(0, null)]);
  assert.equal(lost, null);
});

test("it stops calling: the next event finds out, and the object beats and registers anew", async () => {
  const socket = await called("talks");
  await gate.answerOnce("pacemaker", 503);
  // The client is still patient, but its ping is overdue.
  await pause(INTERVAL + TICK);
  await isPingedAtOnce(socket);
  // From now on, it is called again.
  const gaps = gapsOf(socket);
  await pings([socket], 3);
  for (const gap of gaps.slice(1)) assert.ok(gap <= INTERVAL + LATE, `${gap} ms`);
  assert.equal(socket.connected, true);
});

test("it stops calling and nothing happens: the object's own alarm finds out", async () => {
  const socket = await called("silent");
  await gate.answerOnce("pacemaker", 503);
  const from = Date.now();
  await nextPing(socket);
  const silence = Date.now() - from;
  assert.ok(silence <= INTERVAL + SAFETY + LATE, `${silence} ms`);
  await pings([socket], 2);
  assert.equal(socket.connected, true);
});

test("it hangs: objects help themselves, and others are registered by its next instance", async () => {
  const socket = await called("hung");
  gate.hold("pacemaker");
  await gate.waits("pacemaker");
  await pause(INTERVAL + TICK);
  await isPingedAtOnce(socket);
  gate.open("pacemaker");
  await pings([socket], 2);
  assert.equal(socket.connected, true);
});

test("it cannot be reached any more: the object goes on by itself, and registers when it can", async () => {
  const socket = await called("cut off");
  gate.hold("register");
  await gate.answerOnce("pacemaker", 503);
  await pause(INTERVAL + TICK);
  await isPingedAtOnce(socket);
  const gaps = gapsOf(socket);
  await pings([socket], 4);
  for (const gap of gaps) assert.ok(gap <= INTERVAL + LATE, `${gap} ms`);
  assert.deepEqual(server.storage("cut off", "SELECT * FROM registration"), []);

  gate.open("register");
  const isBack = () => server.storage("cut off", "SELECT * FROM registration").length === 1;
  await until(isBack, "the registration", 30_000);
  await pings([socket], 2);
  assert.equal(socket.connected, true);
});

test("it stops calling, and the client reconnects: that is all that the client notices", async () => {
  // The object's own alarm comes long after the client has given up.
  const usual = await createDevServer({ ...vars, GATE_URL: gate.url }, { wrapper: gatedWorker });
  await usual.start();
  const socket = await connect(usual, "patient", { reconnection: true });
  let disconnects = 0;
  socket.on("disconnect", () => disconnects++);
  await isRegistered(usual, "patient");
  await gate.answerOnce("pacemaker", 503);
  await next(socket, "disconnect");
  await next(socket, "connect");
  await pings([socket], 5);
  assert.equal(disconnects, 1);
  assert.deepEqual(registered(usual), ["patient"]);
  closeAll();
  await usual.close();
});
