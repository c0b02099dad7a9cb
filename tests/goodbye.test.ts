// What crosses a goodbye is not lost: a message counts as received only by evidence, comes again at the
// next connect until then, and its sender hears that it was delivered when a device has it.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import * as client from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { Network, closeNetworks } from "./support/proxy.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

/** How long it takes each way. */
const SLOW = 100;
/** What was out for so long when its client said goodbye cannot have crossed that. */
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

/** A sender with a receiver behind a slow network, whom nobody else writes to. */
async function pair(way: string, what: string) {
  const userId = `${what}, ${way}`;
  const network = await Network.open(server, SLOW);
  const options = client.optionsOf(way, network, userId);
  const receiver = await client.connect(network, userId, options);
  if (way === "default") await client.upgraded(receiver);
  const sender = await client.contractor(server, `sender to ${userId}`);
  return { userId, network, receiver, sender };
}

/** When the sender's device hears that the message was delivered. */
const deliveryTo = (sender: Client) =>
  client.next(sender, "message_delivered").then(([{ messageId }]) => ({
    messageId,
    at: performance.now(),
  }));

type Delivery = ReturnType<typeof deliveryTo>;

/** The next device of the receiver gets the message, and only then is it told to be delivered. */
async function nextConnectGetsIt(userId: string, text: string, delivery: Delivery) {
  const again = await client.connect(server, userId, { transports: ["websocket"] });
  const got = client.next(again, "new_message").then(([{ messageId }]) => ({
    messageId,
    at: performance.now(),
  }));
  await client.until(() => again.texts.length > 0, "the message, which nobody has");
  assert.deepEqual(again.texts, [text]);
  const [{ messageId, at: gotAt }, told] = await Promise.all([got, delivery]);
  assert.equal(told.messageId, messageId);
  assert.ok(told.at > gotAt, `told ${Math.round(gotAt - told.at)} ms before a device had it`);
}

const isGone = (observer: Client, userId: string) =>
  client.until(async () => !(await client.statusOf(observer, userId)).isOnline, "they are gone");

async function crossesGoodbye(way: string) {
  const { userId, network, receiver, sender } = await pair(way, "goodbye");
  const delivery = deliveryTo(sender);
  receiver.disconnect();
  await client.sendTo(sender, { receiverId: userId }, "crossing");
  await isGone(sender, userId);
  // The old transport goes on for a moment, and its GETs are no longer answered to anybody.
  await client.until(() => network.isIdle, "nothing is under way");
  assert.deepEqual(receiver.texts, []);
  await nextConnectGetsIt(userId, "crossing", delivery);
}

/** The client notices, and its transport says goodbye: by a POST, on another connection. */
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

/** As before, and no goodbye gets through: for the server, the old session goes on. */
async function answerIsLostSilently() {
  const { userId, network, sender } = await pair("polling only", "lost silently");
  const delivery = deliveryTo(sender);
  const isLost = network.loseAnswer("lost");
  await client.sendTo(sender, { receiverId: userId }, "lost");
  network.isDown = true;
  await isLost;
  await nextConnectGetsIt(userId, "lost", delivery);
}

test("a message crosses a goodbye", { concurrency: true, timeout: 60_000 }, async (t) => {
  await Promise.all([
    ...client.ways.map((way) => t.test(way, () => crossesGoodbye(way))),
    t.test("a lost answer to a GET", answerIsLost),
    t.test("a lost answer to a GET, silently", answerIsLostSilently),
  ]);
});

/** A device that comes now gets nothing of it. */
async function isConfirmed(sender: Client, userId: string) {
  const again = await client.connect(server, userId, { transports: ["websocket"] });
  const got = client.next(again, "new_message");
  await client.sendText(sender, [userId], "next");
  await got;
  assert.deepEqual(again.texts, ["next"]);
}

/** Nobody asks whether a bulk message has arrived, so that no pong confirms it. */
async function sentInBulk(sender: Client, receiver: Client, userId: string) {
  const got = client.next(receiver, "new_message");
  await client.sendText(sender, [userId], "received");
  await got;
}

async function leavesLater(way: string) {
  const { userId, receiver, sender } = await pair(way, "later");
  await sentInBulk(sender, receiver, userId);
  // The time itself is what is tested; over polling it begins with the client's next GET.
  await pause(CROSSING + 3 * SLOW);
  receiver.disconnect();
  await isGone(sender, userId);
  await isConfirmed(sender, userId);
}

test("what a client has is not sent again", { concurrency: true, timeout: 60_000 }, async (t) => {
  const tests = client.ways.map((way) =>
    t.test(`${way}, two seconds later`, () => leavesLater(way)),
  );
  await Promise.all(tests);
});
