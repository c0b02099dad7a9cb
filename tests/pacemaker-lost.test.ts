// A pacemaker that is killed, or forgets to call: no client is lost.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import * as client from "./support/clients.ts";
import type { DevServer } from "./support/dev.ts";
import type { Gate } from "./support/gate.ts";
import {
  INTERVAL,
  LATE,
  SAFETY,
  TICK,
  called,
  connect,
  gapsOf,
  isPingedAtOnce,
  isRegistered,
  pings,
  startGated,
} from "./support/pacemaker.ts";

const { next, nextPing } = client;

let gated: Awaited<ReturnType<typeof startGated>>;
let gate: Gate;
let server: DevServer;
before(async () => {
  gated = await startGated();
  ({ gate, server } = gated);
});
afterEach(() => gated.reset());
after(() => gated.close());

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
  const socket = await called(server, "talks");
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
  const socket = await called(server, "silent");
  await gate.answerOnce("pacemaker", 503);
  const from = Date.now();
  await nextPing(socket);
  const silence = Date.now() - from;
  assert.ok(silence <= INTERVAL + SAFETY + LATE, `${silence} ms`);
  await pings([socket], 2);
  assert.equal(socket.connected, true);
});
