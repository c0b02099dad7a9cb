// Fifty sockets of one user, on every kind of transport, all get each message once and in the same order,
// although several users send at the same time.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import * as client from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const SOCKETS = 50;
const SENDERS = 4;
const MESSAGES = 10;
const USER = "popular";

let server: Server;
before(async () => {
  server = await startServer({ vars: { MAX_CONNECTIONS_PER_USER: "0" } });
});
after(async () => {
  client.closeAll();
  await server.close();
});

const connectAll = () =>
  Promise.all(
    Array.from({ length: SOCKETS }, (_, index) => {
      const way = client.ways[index % client.ways.length];
      return client.connect(server, USER, client.optionsOf(way, server, USER));
    }),
  );

/** Returns one sender's texts, in order. They are sent without waiting for replies. */
const textsOf = (sender: number) =>
  Array.from({ length: MESSAGES }, (_, index) => `${sender}: message ${index}`);

const sendAll = (socket: Client, sender: number) =>
  Promise.all(textsOf(sender).map((text) => client.sendText(socket, [USER], text)));

/** Sends a last message after all others are answered; any duplicate has arrived before it. */
async function settle(sender: Client, sockets: Client[]) {
  await client.sendText(sender, [USER], "last");
  const have = (socket: Client) => socket.texts.includes("last");
  await client.until(() => sockets.every(have), "the last message everywhere", 30_000);
}

test("all get each message once, in one order", async () => {
  const senders = await Promise.all(
    Array.from({ length: SENDERS }, (_, index) =>
      client.connect(server, `contractor${index}`, { claims: { role: "contractor" } }),
    ),
  );
  await server.addUser(USER);
  // Some clients upgrade to WebSocket while the messages arrive.
  const sockets = await connectAll();
  await Promise.all(senders.map(sendAll));
  await settle(senders[0], sockets);

  const [order] = sockets.map((socket) => socket.texts);
  const all = senders.flatMap((_, index) => textsOf(index));
  assert.deepEqual([...order].sort(), [...all, "last"].sort());
  for (const sender of senders.keys()) {
    const own = order.filter((text) => text.startsWith(`${sender}:`));
    assert.deepEqual(own, textsOf(sender), "a sender's own order");
  }
  for (const socket of sockets) assert.deepEqual(socket.texts, order);
  assert.equal((await client.statusOf(senders[0], USER)).connectionCount, SOCKETS);
});
