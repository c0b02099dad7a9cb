// With the default heartbeat, idle clients stay connected and get each message once. python-socketio gives up
// max(pingInterval, pingTimeout) + 5 s after the last packet, sooner than any other client that we know.
// Clients that are slow to answer pings are tested as well.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import * as client from "../support/clients.ts";
import type { Client } from "../support/clients.ts";
import { startServer } from "../support/server.ts";
import type { Server } from "../support/server.ts";
import { idlePrograms, startIdle, versions } from "./support.ts";
import type { Histories } from "./support.ts";

const IDLE_MS = 100_000;
/** How long the slow clients take to answer a ping. Some networks take that long to wake up. */
const SLOW_MS = 12_000;

let server: Server;
before(async () => {
  server = await startServer();
});
after(async () => {
  client.closeAll();
  await server.close();
});

/** Connects a JavaScript client in every way; all of them answer pings late. */
async function startSlow() {
  const histories: [string, string[]][] = [];
  for (const way of client.ways) {
    const userId = `slow ${way}`;
    const socket = await client.connect(server, userId, client.optionsOf(way, server, userId));
    if (way === "default") await client.upgraded(socket);
    client.delayPongs(socket, SLOW_MS);
    const events = ["connect"];
    socket.on("new_message", (message) => events.push(client.textOf(message) ?? ""));
    socket.on("disconnect", () => events.push("disconnect"));
    histories.push([userId, events]);
  }
  return { histories: () => histories };
}

test("idle clients on the default heartbeat stay connected and get each message once", async () => {
  const sender = await client.contractor(server);
  const starting = versions.flatMap((version) =>
    idlePrograms.map((program) => startIdle(server, version, program)),
  );
  const pythons = await Promise.all(starting);
  const slow = await startSlow();
  const histories: Histories = () => [...pythons, slow].flatMap((them) => them.histories());
  const userIds = histories().map(([userId]) => userId);
  const expected = ["connect"];

  const send = async (...texts: string[]) => {
    for (const text of texts) await client.sendText(sender, userIds, text);
    expected.push(...texts);
    // Do not wait for clients that were disconnected: they have already failed.
    const isDone = (events: string[]) =>
      events.length >= expected.length || events.includes("disconnect");
    const areDone = () => histories().every(([, events]) => isDone(events));
    await client.until(areDone, `all have got ${texts}`);
  };
  await send("first", "second", "third");
  await pause(IDLE_MS / 2);
  await send("in the middle", "and once more");
  await pause(IDLE_MS / 2);
  await send("at the end", "last");

  assert.deepEqual(
    histories(),
    userIds.map((userId) => [userId, expected]),
  );
  for (const python of pythons) {
    // Check before stopping: on exit, 5.0 prints errors about what it has left open.
    assert.equal(python.errors(), "");
    assert.equal(await python.stop(), 0);
  }
});
