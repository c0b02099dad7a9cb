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
import { startPython, versions } from "./support.ts";
import type { Version } from "./support.ts";

const IDLE_MS = 100_000;
/** How long the slow clients take to answer a ping. Some networks take that long to wake up. */
const SLOW_MS = 12_000;

const programs = ["idle_sync.py", "idle_asyncio.py"];
const pythonTransports: Record<string, string[]> = {
  default: ["polling", "websocket"],
  polling: ["polling"],
  websocket: ["websocket"],
};

let server: Server;
before(async () => {
  server = await startServer();
});
after(async () => {
  client.closeAll();
  await server.close();
});

/** The events of each client by user id: `connect`, `disconnect`, and the texts of messages. */
type Histories = () => [userId: string, events: string[]][];

/** Starts a process with one Python client for each transport setting. */
async function startIdle(version: Version, program: string) {
  const userId = (transports: string) => `${program} ${version} ${transports}`;
  const clients = Object.entries(pythonTransports).map(([name, transports]) => {
    const token = server.token(userId(name));
    // 5.0 has no `auth`. A token in the URL bypasses the relay, so both paths are tested.
    const access =
      version === "5.0"
        ? { url: `${server.url}/?token=${token}` }
        : { url: server.url, auth: { token } };
    return { name: userId(name), transports, ...access };
  });
  const python = startPython(version, program, JSON.stringify(clients));
  for (const { name } of clients) await python.prints(new RegExp(`"${name}", "event": "connect"`));

  const histories: Histories = () => {
    const printed = python.lines.map((line) => JSON.parse(line));
    return clients.map(({ name }) => [
      name,
      printed.filter((line) => line.client === name).map(({ event, text }) => text ?? event),
    ]);
  };
  return { ...python, histories };
}

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
    programs.map((program) => startIdle(version, program)),
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
