// Receipts of messages that the receiver's log does not hold any more.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { closeAll, connect, next, record, sendTo, until } from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const RETENTION = 1_500;

let server: Server;
before(async () => {
  server = await startServer({ vars: { LOG_RETENTION_MS: RETENTION, LOG_MAX_EVENTS: 2 } });
});
afterEach(closeAll);
after(() => server.close());

test("who was away for longer than the log keeps connects, and hears what comes next", async () => {
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

test("more messages within a moment than the log keeps, to a device that takes them all", async () => {
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
