// A receiver whose object cannot accept a message gets it later, in order and once.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test, { after, before } from "node:test";
import type { BulkMessageSent } from "switchboard-events";

import {
  closeAll,
  connect,
  contractor,
  refusal,
  sendText,
  sendTo,
  textTo,
  until,
} from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";

let server: DevServer;
before(async () => {
  // Short heartbeats make alarms frequent.
  server = await createDevServer({ PING_INTERVAL_MS: 1_000, PING_TIMEOUT_MS: 2_000 });
  await server.start();
});
after(async () => {
  closeAll();
  await server.close();
});

async function restart(meanwhile: () => unknown) {
  closeAll();
  await server.kill();
  meanwhile();
  await server.start();
}

const delivered = ({ results }: BulkMessageSent) =>
  results.map((result) => [result.receiverId, result.delivered]);
const open = () =>
  server.storage("contractor1", "SELECT * FROM outbox WHERE next_attempt_at IS NOT NULL");

test("the outbox retries failed deliveries", async () => {
  await connect(server, "ill");
  await connect(server, "well");
  const first = await sendText(await contractor(server), ["ill", "well"], "before");
  assert.deepEqual(delivered(first), [
    ["ill", true],
    ["well", true],
  ]);

  await restart(() => server.damage("ill", "ALTER TABLE log RENAME COLUMN payload TO hidden"));
  const sender = await contractor(server);
  const well = await connect(server, "well", { transports: ["websocket"] });
  for (const text of ["one", "two"]) {
    const result = await sendText(sender, ["ill", "well"], text);
    assert.equal(result.totalSent, 2);
    assert.deepEqual(delivered(result), [
      ["ill", false],
      ["well", true],
    ]);
  }
  const direct = await sendTo(sender, { receiverId: "ill" }, "directly");
  await until(() => well.texts.includes("two"), "the others are not held up");
  const pending = open().map(({ pending }) => JSON.parse(pending));
  assert.deepEqual(pending, [["ill"], ["ill"], ["ill"]]);
  // The log reports the fault without the message's text.
  const [fault] = server.logged("deliver");
  assert.deepEqual(Object.keys(fault).sort(), ["detail", "level", "what"]);
  assert.equal(fault.level, "error");

  await restart(() => server.damage("ill", "ALTER TABLE log RENAME COLUMN hidden TO payload"));
  const ill = await connect(server, "ill");
  // This works while the sender is offline.
  await until(() => ill.texts.length >= 3, "the messages that were missed", 20_000);
  await until(() => open().length === 0, "the outbox is empty");
  const back = await contractor(server);
  const isReceipt = ([name, { messageId }]: Client["events"][number]) =>
    name === "message_delivered" && messageId === direct.messageId;
  await until(() => back.events.some(isReceipt), "the receipt of the direct message");
  const last = await sendText(back, ["ill"], "three");
  assert.deepEqual(delivered(last), [["ill", true]]);
  await until(() => ill.texts.includes("three"), "the last message");
  // "before" may be repeated: it was not confirmed when the server was killed.
  const texts = ill.texts.filter((text) => text !== "before");
  assert.deepEqual(texts, ["one", "two", "directly", "three"]);
});

/** Returns the fingerprint that earlier versions stored for a send: a hash of its JSON texts verbatim. */
function verbatimFingerprint(receiverIds: string[], content: string) {
  const hash = createHash("sha256");
  const parts = ["send_bulk_message", JSON.stringify(receiverIds), "text", content, "null"];
  for (const part of parts) {
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(Buffer.byteLength(part)));
    hash.update(length).update(part);
  }
  return hash.digest("hex");
}

test("a stored send without a reply is repeated: in another order, or after a deploy", async () => {
  const key = { idempotencyKey: "unanswered" };
  const order = ["second", "first"];
  server.addUsers(order);
  const { results } = await sendText(await contractor(server), order, "once", key);
  const stored = () => server.d1("SELECT hex(message_id) AS id FROM messages").map(({ id }) => id);
  const before = stored();
  for (const { messageId } of results) {
    assert.ok(before.includes(messageId.replaceAll("-", "").toUpperCase()));
  }
  const forget = (more = "") =>
    server.damage("contractor1", `UPDATE outbox SET result = NULL${more}`);

  await restart(forget);
  const again = await sendText(await contractor(server), ["first", "second"], "once", key);
  assert.deepEqual(again.results, results);
  assert.deepEqual(stored(), before);

  // The previous version compared the texts verbatim.
  const fingerprint = verbatimFingerprint(order, '{"text":"once"}');
  await restart(() => forget(`, fingerprint = '${fingerprint}'`));
  const sender = await contractor(server);
  assert.deepEqual((await sendText(sender, order, "once", key)).results, results);
  assert.deepEqual(stored(), before);
  const { code } = await refusal(sender, "send_bulk_message", textTo(order, "twice", key));
  assert.equal(code, "idempotency_conflict");
});
