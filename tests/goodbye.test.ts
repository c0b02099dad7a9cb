// A message that crosses a client's disconnect is not lost. Until a device has confirmed it, it is sent again
// at the next connect, and the sender is not told that it was delivered.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import * as client from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { Network, closeNetworks } from "./support/proxy.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

/** The network's delay in each direction, in milliseconds. */
const SLOW = 100;
/** A message sent this long before the client's disconnect cannot have crossed it. */
const CROSSING = 2_000;

let server: Server;
before(async () => {
  server = await startServer();
});
after(async () => {
  client.closeAll();
  closeNetworks();
  await server.close();
});

/** Connects a receiver behind a slow network, and its only sender. */
async function pair(way: string, what: string) {
  const userId = `${what}, ${way}`;
  const network = await Network.open(server, SLOW);
  const options = client.optionsOf(way, network, userId);
  const receiver = await client.connect(network, userId, options);
  if (way === "default") await client.upgraded(receiver);
  const sender = await client.contractor(server, `sender to ${userId}`);
  return { userId, network, receiver, sender };
}

/** Resolves when the sender gets `message_delivered`. */
const deliveryTo = (sender: Client) =>
  client.next(sender, "message_delivered").then(([{ messageId }]) => ({
    messageId,
    at: performance.now(),
  }));

type Delivery = ReturnType<typeof deliveryTo>;

/** Asserts that the receiver's next device gets the message, and that only then the receipt is sent. */
async function nextConnectGetsIt(userId: string, text: string, delivery: Delivery) {
  const again = await client.connect(server, userId, { transports: ["websocket"] });
  const got = client.next(again, "new_message").then(([{ messageId }]) => ({
    messageId,
    at: performance.now(),
  }));
  await client.until(() => again.texts.length > 0, "the message that no device has");
  assert.deepEqual(again.texts, [text]);
  const [{ messageId, at: gotAt }, told] = await Promise.all([got, delivery]);
  assert.equal(told.messageId, messageId);
  assert.ok(told.at > gotAt, `told ${Math.round(gotAt - told.at)} ms before a device had it`);
}

const isGone = (observer: Client, userId: string) =>
  client.until(
    async () => !(await client.statusOf(observer, userId)).isOnline,
    "the receiver to go offline",
  );

async function crossesGoodbye(way: string) {
  const { userId, network, receiver, sender } = await pair(way, "goodbye");
  const delivery = deliveryTo(sender);
  receiver.disconnect();
  await client.sendTo(sender, { receiverId: userId }, "crossing");
  await isGone(sender, userId);
  // The old transport lives on briefly; nothing reads the responses to its GETs.
  await client.until(() => network.isIdle, "the network to be idle");
  assert.deepEqual(receiver.texts, []);
  await nextConnectGetsIt(userId, "crossing", delivery);
}

/** The client notices the loss, and its transport sends a close packet by a POST on another connection. */
async function answerIsLost() {
  const { userId, network, receiver, sender } = await pair("polling only", "lost answer");
  const delivery = deliveryTo(sender);
  const gone = client.next(receiver, "disconnect");
  const isLost = network.loseAnswer("lost");
  await client.sendTo(sender, { receiverId: userId }, "lost");
  await isLost;
  assert.equal((await gone)[0], "transport error");
  await isGone(sender, userId);
  assert.deepEqual(receiver.texts, []);
  await nextConnectGetsIt(userId, "lost", delivery);
}

/** As above, but no close packet gets through, so for the server the old session continues. */
async function answerIsLostSilently() {
  const { userId, network, sender } = await pair("polling only", "lost silently");
  const delivery = deliveryTo(sender);
  const isLost = network.loseAnswer("lost");
  await client.sendTo(sender, { receiverId: userId }, "lost");
  network.isDown = true;
  await isLost;
  await nextConnectGetsIt(userId, "lost", delivery);
}

test("a message crosses a disconnect", { concurrency: true, timeout: 60_000 }, async (t) => {
  await Promise.all([
    ...client.ways.map((way) => t.test(way, () => crossesGoodbye(way))),
    t.test("a lost response to a GET", answerIsLost),
    t.test("a silently lost response to a GET", answerIsLostSilently),
  ]);
});

/** Asserts that a new device does not get the confirmed message again. */
async function isConfirmed(sender: Client, userId: string) {
  const again = await client.connect(server, userId, { transports: ["websocket"] });
  const got = client.next(again, "new_message");
  await client.sendText(sender, [userId], "next");
  await got;
  assert.deepEqual(again.texts, ["next"]);
}

/** Sends in bulk: no ping follows a bulk message, so no pong confirms it. */
async function sentInBulk(sender: Client, receiver: Client, userId: string) {
  const got = client.next(receiver, "new_message");
  await client.sendText(sender, [userId], "received");
  await got;
}

async function leavesLater(way: string) {
  const { userId, receiver, sender } = await pair(way, "later");
  await sentInBulk(sender, receiver, userId);
  // The duration is under test; over polling it starts with the client's next GET.
  await pause(CROSSING + 3 * SLOW);
  receiver.disconnect();
  await isGone(sender, userId);
  await isConfirmed(sender, userId);
}

test("a received message is not sent again", { concurrency: true, timeout: 60_000 }, async (t) => {
  const tests = client.ways.map((way) =>
    t.test(`${way}, two seconds later`, () => leavesLater(way)),
  );
  await Promise.all(tests);
});
