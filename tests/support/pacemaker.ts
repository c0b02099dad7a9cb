// What tests of pacemakers have in common.

import assert from "node:assert/strict";

import { inRoot } from "../../scripts/lib/project.mjs";
import * as client from "./clients.ts";
import type { Client, ClientOptions } from "./clients.ts";
import { createDevServer } from "./dev.ts";
import type { DevServer } from "./dev.ts";
import { gatedWorker, startGate } from "./gate.ts";

const { nextPing, statusOf, until } = client;

/** A heartbeat that tests can wait for, in milliseconds. */
export const INTERVAL = 3_000;
export const TIMEOUT = 4_000;
export const TICK = 600;
export const vars = {
  PING_INTERVAL_MS: INTERVAL,
  PING_TIMEOUT_MS: TIMEOUT,
  PACEMAKER_TICK_MS: TICK,
  PACEMAKER_AFTER_MS: INTERVAL * 1.5,
  PRESENCE_GRACE_MS: 0,
};
/** What a busy machine may take for an alarm, a call and a packet. */
export const LATE = 2_000;

/** Counts what objects cost. */
export const counting = { wrapper: inRoot("tests", "support", "object-rows.js") };

export const connect = (server: DevServer, userId: string, options: ClientOptions = {}) =>
  client.connect(server, userId, { transports: ["websocket"], ...options });

/** Returns the users who are registered with any pacemaker. */
export const registered = (server: DevServer) =>
  [...server.pacemakers().values()].flat().map((row) => row.user_id as string);

/** Resolves when all of these users are registered. */
export const isRegistered = (server: DevServer, ...userIds: string[]) =>
  until(
    () => {
      const all = registered(server);
      return userIds.every((id) => all.includes(id));
    },
    "the registration",
    30_000,
  );

/** Resolves when nobody is registered any more. */
export const isEmpty = (server: DevServer) =>
  until(() => registered(server).length === 0, "the end of the registrations", 30_000);

/** How long after a call that does not come an object's own alarm fires, with `startGated`. */
export const SAFETY = 15_000;

/**
 * Starts a server whose pacemakers have to pass a gate. Its clients are more patient than everything that is to happen
 * meanwhile.
 */
export async function startGated() {
  const gate = await startGate();
  const gated = { PING_TIMEOUT_MS: 20_000, PACEMAKER_SAFETY_MS: SAFETY, GATE_URL: gate.url };
  const server = await createDevServer({ ...vars, ...gated }, { wrapper: gatedWorker });
  await server.start();
  return {
    gate,
    server,
    /** Ends a test: the next one has the pacemaker to itself. */
    async reset() {
      client.closeAll();
      gate.openAll();
      await isEmpty(server);
    },
    async close() {
      await server.close();
      gate.close();
    },
  };
}

/** Returns the growing list of times between two pings of the client. */
export function gapsOf(socket: Client) {
  const gaps: number[] = [];
  let last = Date.now();
  socket.io.engine.on("ping", () => {
    gaps.push(Date.now() - last);
    last = Date.now();
  });
  return gaps;
}

/** Resolves when each of the clients has been pinged so many times. */
export async function pings(sockets: Client[], count: number) {
  for (let ping = 0; ping < count; ping++) await Promise.all(sockets.map(nextPing));
}

/** Connects a client whose user's object a pacemaker calls. */
export async function called(server: DevServer, userId: string) {
  const socket = await connect(server, userId);
  await isRegistered(server, userId);
  await pings([socket], 1);
  return socket;
}

/** Asks something, which makes the object find out that it was not called, and waits for the ping. */
export async function isPingedAtOnce(socket: Client) {
  const from = Date.now();
  const ping = nextPing(socket);
  await statusOf(socket, "nobody");
  await ping;
  const waited = Date.now() - from;
  // The object's own alarm would fire much later.
  assert.ok(waited < LATE, `${waited} ms`);
}
