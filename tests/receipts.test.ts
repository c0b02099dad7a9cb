// Receipts arrive in time: also for messages that the receiver's log no longer holds, from slow devices, and
// across an upgrade.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { closeAll, connect, delayPongs, next, record, sendTo, until } from "./support/clients.ts";
import { openSession, poll, post, probingWire } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Client } from "./support/clients.ts";
import type { Server } from "./support/server.ts";

const RETENTION = 1_500;

let server: Server;
before(async () => {
  server = await startServer({ vars: { LOG_RETENTION_MS: RETENTION, LOG_MAX_EVENTS: 2 } });
});
afterEach(closeAll);
after(() => server.close());

test("a user who was away for longer than the log's retention gets later messages", async () => {
  await server.addUser("away");
  const sender = await connect(server, "sender");
  await sendTo(sender, { receiverId: "away" }, "too old");
  await pause(RETENTION);

  const receiver = await connect(server, "away");
  const delivered = next(sender, "message_delivered");
  const { messageId } = await sendTo(sender, { receiverId: "away" }, "new");
  const [receipt] = await delivered;
  assert.equal(receipt.messageId, messageId);
  assert.deepEqual(receiver.texts, ["new"]);
});

test("a burst of more messages than the log keeps, to a device that receives them all", async () => {
  const sender = await connect(server, "hasty");
  const receiver = await connect(server, "here");
  const receipts = record(sender, "message_delivered");
  const texts = ["a", "b", "c", "d", "e"];
  const sent = await Promise.all(texts.map((text) => sendTo(sender, { receiverId: "here" }, text)));
  await until(() => receiver.texts.length === texts.length, "all messages");
  await until(() => receipts.length === texts.length, "all receipts");
  assert.deepEqual(
    receipts.map(([, { messageId }]) => messageId),
    sent.map(({ messageId }) => messageId),
  );
});

/** Well before the next regular heartbeat ping, whose pong would confirm the message as well. */
const IN_TIME = 10_000;

/** Sends a message and waits for its receipt. */
async function sendAndHear(sender: Client, userId: string) {
  const receipts = record(sender, "message_delivered");
  const { messageId } = await sendTo(sender, { receiverId: userId }, "to be confirmed");
  const isTold = () => receipts.some(([, receipt]) => receipt.messageId === messageId);
  await until(isTold, "the receipt", IN_TIME);
}

test("a device that takes five seconds to answer a ping", async () => {
  const sender = await connect(server, "patient");
  const receiver = await connect(server, "slow", { transports: ["websocket"] });
  delayPongs(receiver, 5_000);
  await sendAndHear(sender, "slow");
});

test("a message while a pong is outstanding", async () => {
  const sender = await connect(server, "eager");
  const receiver = await connect(server, "busy", { transports: ["websocket"] });
  delayPongs(receiver, 3_000);
  await Promise.all([sendAndHear(sender, "busy"), sendAndHear(sender, "busy")]);
});

test("messages are confirmed by pongs over polling, and again after the upgrade", async () => {
  const PATH = "/socket.io";
  const sender = await connect(server, "upgrader's friend");
  const sid = await openSession(server, PATH);
  await post(server, PATH, sid, `40${JSON.stringify({ token: server.token("upgrader") })}`);
  /** Polls until a body matches. */
  const polled = async (what: RegExp) => {
    for (;;) {
      const [, body] = await poll(server, PATH, sid);
      if (what.test(body)) return;
    }
  };
  await polled(/40\{/);
  const { messageId } = await sendTo(sender, { receiverId: "upgrader" }, "by polling");
  await polled(/(^|\x1e)2($|\x1e)/);
  const delivered = next(sender, "message_delivered");
  await post(server, PATH, sid, "3");
  const polling = poll(server, PATH, sid);
  assert.equal((await delivered)[0].messageId, messageId);

  const wire = await probingWire(server, PATH, sid);
  await polling;
  wire.send("5");
  // Answer pings, as a client does.
  wire.socket.addEventListener("message", ({ data }) => data === "2" && wire.send("3"));
  await sendAndHear(sender, "upgrader");
  await wire.close();
});
