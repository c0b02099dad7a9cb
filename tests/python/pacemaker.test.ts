// With the default heartbeat, a pacemaker that is killed again and again loses none of fifty idle clients of several
// libraries. The platform repeats an alarm that was killed after some seconds. The JavaScript clients do not notice; the
// Python clients, for which a ping may be only five seconds late, may have to reconnect.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import * as client from "../support/clients.ts";
import { createDevServer } from "../support/dev.ts";
import type { DevServer } from "../support/dev.ts";
import { gatedWorker, startGate } from "../support/gate.ts";
import type { Gate } from "../support/gate.ts";
import { isRegistered } from "../support/pacemaker.ts";
import { idlePrograms, startIdle, versions } from "./support.ts";

const IDLE_MS = 120_000;
const KILL_EVERY_MS = 15_000;
/** What the gate answers so that the pacemaker loses its memory in the middle of its alarm. */
const KILLED = 410;

let gate: Gate;
let server: DevServer;
before(async () => {
  gate = await startGate();
  // They are registered at their first beat.
  server = await createDevServer(
    { PACEMAKER_AFTER_MS: 10_000, GATE_URL: gate.url },
    { wrapper: gatedWorker },
  );
  await server.start();
});
after(async () => {
  client.closeAll();
  await server.close();
  gate.close();
});

/** Connects a JavaScript client. Returns its events. */
async function startScript(index: number): Promise<[string, string[]]> {
  const userId = `script ${index}`;
  const way = client.ways[index % client.ways.length];
  const socket = await client.connect(server, userId, client.optionsOf(way, server, userId));
  const events = ["connect"];
  socket.on("disconnect", (reason) => events.push(reason));
  return [userId, events];
}

test("fifty idle clients stay connected while the pacemaker is killed", async () => {
  const pythons: Awaited<ReturnType<typeof startIdle>>[] = [];
  for (const version of versions)
    for (const program of idlePrograms)
      for (const name of ["a", "b"]) pythons.push(await startIdle(server, version, program, name));
  const scripts: [string, string[]][] = [];
  while (scripts.length < 26) scripts.push(await startScript(scripts.length));
  const histories = () => [...pythons.flatMap((them) => them.histories()), ...scripts];
  const userIds = histories().map(([userId]) => userId);
  assert.equal(userIds.length, 50);
  await isRegistered(server, ...userIds);

  const from = Date.now();
  while (Date.now() - from < IDLE_MS) {
    await gate.answerOnce("pacemaker", KILLED);
    await pause(KILL_EVERY_MS);
  }
  const areConnected = () => histories().every(([, events]) => events.at(-1) === "connect");
  await client.until(areConnected, "all are connected", 30_000);
  assert.deepEqual(
    scripts,
    scripts.map(([userId]) => [userId, ["connect"]]),
  );
  assert.ok(gate.asked("pacemaker") >= IDLE_MS / 25_000);
  for (const python of pythons) {
    assert.equal(python.errors(), "");
    assert.equal(await python.stop(), 0);
  }
});
