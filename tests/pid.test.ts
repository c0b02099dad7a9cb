// A pid is useless to another user or after tampering, and the server stores nothing for it. Clients compute
// `recovered` from the returned pid, so these tests compare session ids instead.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { closeAll, connect, contractor, next, recoveryOf, sendText } from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";

let server: DevServer;
let sender: Client;
before(async () => {
  server = await createDevServer();
  await server.start();
  sender = await contractor(server);
});
afterEach(() => {
  for (const socket of joined.splice(0)) socket.close();
});
after(async () => {
  closeAll();
  await server.close();
});

const joined: Client[] = [];

async function join(userId: string, recovery: object = {}) {
  const socket = await connect(server, userId, {
    transports: ["websocket"],
    auth: { token: server.token(userId), ...recovery },
  });
  joined.push(socket);
  return socket;
}

/** Connects a client that has received an event, so it has an offset and its user's log is not empty. */
async function withOffset(userId: string) {
  const socket = await join(userId);
  const got = next(socket, "new_message");
  await sendText(sender, [userId], `for ${userId}`);
  await got;
  const { pid, offset } = recoveryOf(socket);
  assert.ok(pid && offset);
  return { socket, pid, offset };
}

/** Asserts that the server starts a new session, as it does without a pid. */
async function isNew(userId: string, recovery: { pid: string; offset: string }, ids: unknown[]) {
  const socket = await join(userId, recovery);
  assert.ok(!ids.includes(socket.id), "another session was recovered");
  assert.notEqual(recoveryOf(socket).pid, recovery.pid);
}

/** Returns the user's stored state and log as text. */
const stored = (userId: string) =>
  JSON.stringify(
    ["user_state", "log"].map((table) => server.storage(userId, `SELECT * FROM ${table}`)),
  );

test("the pid of another user", async () => {
  const victim = await withOffset("victim");
  const thief = await withOffset("thief");
  const before = [stored("thief"), stored("victim")];
  // The offset is the thief's own and would be valid with the thief's own pid.
  await isNew("thief", { pid: victim.pid, offset: thief.offset }, [
    victim.socket.id,
    thief.socket.id,
  ]);
  assert.deepEqual([stored("thief"), stored("victim")], before);
  assert.equal(victim.socket.connected, true);
  const again = await join("thief", { pid: thief.pid, offset: thief.offset });
  assert.equal(again.id, thief.socket.id);
});

/** Replaces the character at this position. */
const changed = (text: string, at: number) =>
  text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);

test("a pid that was tampered with", async () => {
  const other = await withOffset("other");
  const { socket, pid, offset } = await withOffset("forger");
  const [sid, mac] = pid.split(".");
  assert.equal(sid, socket.id);
  const [otherSid] = other.pid.split(".");
  const forged = [
    `${otherSid}.${mac}`,
    `${changed(sid, 0)}.${mac}`,
    `${sid}.${changed(mac, 0)}`,
    `${sid}.${mac.slice(0, -1)}`,
    `${sid}.`,
    sid,
  ];
  for (const pid of forged) {
    await isNew("forger", { pid, offset }, [socket.id, other.socket.id, changed(sid, 0)]);
  }
  const again = await join("forger", { pid, offset });
  assert.equal(again.id, socket.id);
});
