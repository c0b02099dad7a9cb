// Receipts of messages that the receiver's log does not hold any more, or never sends.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { closeAll, connect, next, sendTo } from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const RETENTION = 1_500;

let server: Server;
before(async () => {
  server = await startServer({ vars: { LOG_RETENTION_MS: RETENTION } });
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
