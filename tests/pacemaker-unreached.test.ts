// A pacemaker that hangs, cannot be reached or stops calling: objects help themselves, and come back to it.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import * as client from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";
import { gatedWorker } from "./support/gate.ts";
import type { Gate } from "./support/gate.ts";
import {
  INTERVAL,
  LATE,
  TICK,
  called,
  connect,
  gapsOf,
  isPingedAtOnce,
  isRegistered,
  pings,
  registered,
  startGated,
  vars,
} from "./support/pacemaker.ts";

const { closeAll, next, until } = client;

let gated: Awaited<ReturnType<typeof startGated>>;
let gate: Gate;
let server: DevServer;
before(async () => {
  gated = await startGated();
  ({ gate, server } = gated);
});
afterEach(() => gated.reset());
after(() => gated.close());

test("it hangs: objects help themselves, and others are registered by its next instance", async () => {
  const socket = await called(server, "hung");
  gate.hold("pacemaker");
  await gate.waits("pacemaker");
  await pause(INTERVAL + TICK);
  await isPingedAtOnce(socket);
  gate.open("pacemaker");
  await pings([socket], 2);
  assert.equal(socket.connected, true);
});

test("it cannot be reached any more: the object goes on by itself, and registers when it can", async () => {
  const socket = await called(server, "cut off");
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
