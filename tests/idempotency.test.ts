// A send that is repeated with its idempotency key.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import {
  closeAll,
  connect,
  contractor,
  refusal,
  sendText,
  textTo,
  until,
} from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

let server: Server;
before(async () => {
  server = await startServer();
  await server.addUser("a");
  await server.addUser("b");
});
afterEach(closeAll);
after(() => server.close());

const stored = async () =>
  (await server.db.prepare("SELECT count(*) AS n FROM messages").first<number>("n")) ?? 0;

test("a repeat gets the first result and stores and delivers nothing", async () => {
  const sender = await contractor(server);
  const receiver = await connect(server, "a");
  const { texts } = receiver;
  const key = { idempotencyKey: "one" };
  const first = await sendText(sender, ["a", "nobody"], "hello", key);
  const before = await stored();
  assert.deepEqual(await sendText(sender, ["a", "nobody"], "hello", key), first);
  // The first reply may have been lost with its connection.
  sender.close();
  const again = await contractor(server);
  assert.deepEqual(await sendText(again, ["a", "nobody"], "hello", key), first);
  assert.equal(await stored(), before);
  await sendText(again, ["a"], "last");
  await until(() => texts.includes("last"), "the last message");
  assert.deepEqual(texts, ["hello", "last"]);
});

test("also at the same time, from two devices", async () => {
  const devices = await Promise.all([contractor(server), contractor(server)]);
  const receiver = await connect(server, "b");
  const { texts } = receiver;
  const key = { idempotencyKey: "two" };
  const before = await stored();
  const results = await Promise.all(
    [...devices, ...devices].map((device) => sendText(device, ["b"], "at once", key)),
  );
  for (const result of results) assert.deepEqual(result, results[0]);
  assert.equal(await stored(), before + 1);
  await sendText(devices[0], ["b"], "last");
  await until(() => texts.includes("last"), "the last message");
  assert.deepEqual(texts, ["at once", "last"]);
});

test("the same key for another message is a conflict", async () => {
  const sender = await contractor(server);
  const key = { idempotencyKey: "three" };
  await sendText(sender, ["a"], "this", key);
  const before = await stored();
  assert.deepEqual(await refusal(sender, "send_bulk_message", textTo(["a"], "that", key)), {
    code: "idempotency_conflict",
    message: "idempotencyKey was used before, for another message",
  });
  assert.equal(await stored(), before);
});

test("keys belong to their sender", async () => {
  const sender = await contractor(server);
  const other = await contractor(server, "contractor2");
  const key = { idempotencyKey: "four" };
  const first = await sendText(sender, ["a"], "mine", key);
  const second = await sendText(other, ["a"], "mine", key);
  assert.notEqual(second.results[0].messageId, first.results[0].messageId);
});
