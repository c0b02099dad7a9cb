// A client that cannot recover gets exactly the messages that no device of its user has confirmed. A device
// confirms a message by its pong to a ping that was sent after the message.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import * as client from "./support/clients.ts";
import type { Client, ClientOptions } from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

let server: Server;
let sender: Client;
before(async () => {
  // A ping every 3 s leaves enough time for checks between two pings.
  server = await startServer({ vars: { PING_INTERVAL_MS: "3000", PING_TIMEOUT_MS: "3000" } });
  sender = await client.contractor(server);
});
after(async () => {
  client.closeAll();
  await server.close();
});

const has = (socket: Client, text: string) =>
  client.until(() => socket.texts.includes(text), `"${text}"`);

async function send(socket: Client, userId: string, text: string) {
  await client.sendText(sender, [userId], text);
  await has(socket, text);
}

/** Connects a device that has confirmed one message by a pong and then received another. */
async function device(userId: string, options: ClientOptions) {
  const socket = await client.connect(server, userId, options);
  await send(socket, userId, "confirmed");
  await client.nextPing(socket);
  // The server sends the second ping only after the pong to the first.
  await client.nextPing(socket);
  await send(socket, userId, "not confirmed");
  return socket;
}

/** Connects a new device and returns the texts that it gets, up to a message sent now. */
async function newDevice(userId: string) {
  const socket = await client.connect(server, userId, { transports: ["websocket"] });
  await send(socket, userId, "last");
  return socket.texts;
}

const expected = ["not confirmed", "last"];

async function besideIt(userId: string, options: ClientOptions) {
  await device(userId, options);
  assert.deepEqual(await newDevice(userId), expected);
}

async function afterItsEnd(userId: string, options: ClientOptions) {
  const socket = await device(userId, options);
  const gone = client.next(socket, "disconnect");
  client.rawSocket(socket).terminate();
  await gone;
  const isOffline = async () => !(await client.statusOf(sender, userId)).isOnline;
  await client.until(isOffline, "the server knows");
  assert.deepEqual(await newDevice(userId), expected);
}

async function afterEviction(userId: string, options: ClientOptions) {
  const socket = await device(userId, options);
  const gone = client.next(socket, "disconnect");
  await server.evict(userId, "close");
  await gone;
  assert.deepEqual(await newDevice(userId), expected);
}

const cases = { "beside the one that confirmed": besideIt, "after its eviction": afterEviction };

test("a new device gets what no device has confirmed", { concurrency: true }, async (t) => {
  const tests = ["websocket only", "straight to the object", "polling only"].flatMap((way) => {
    const run = (when: string, act: typeof besideIt) => {
      const userId = `${way}, ${when}`;
      return t.test(userId, () => act(userId, client.optionsOf(way, server, userId)));
    };
    const all = Object.entries(cases).map(([when, act]) => run(when, act));
    // A polling client has no permanent connection that could break.
    return way === "polling only" ? all : [...all, run("after it broke off", afterItsEnd)];
  });
  await Promise.all(tests);
});
