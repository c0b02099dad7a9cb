// Sends that are in progress: who waits for them, and who does not.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import {
  closeAll,
  connect,
  contractor,
  nextPing,
  refusal,
  request,
  sendText,
  sendTo,
  statusOf,
  textOf,
  textTo,
  until,
} from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";
import { startGate } from "./support/gate.ts";
import type { Gate } from "./support/gate.ts";

const MAX_WAITING_SENDS = 5;

let gate: Gate;
let server: DevServer;
before(async () => {
  gate = await startGate();
  // Short heartbeats make alarms frequent.
  const vars = { PING_INTERVAL_MS: 1_000, PING_TIMEOUT_MS: 2_000, MAX_WAITING_SENDS };
  server = await createDevServer(vars, { gateUrl: gate.url });
  await server.start();
});
afterEach(() => {
  closeAll();
  gate.openAll();
});
after(async () => {
  closeAll();
  await server.close();
  gate.close();
});

/** Whether a promise is settled. */
function watched<T>(promise: Promise<T>) {
  const state = { isDone: false, promise };
  const done = () => void (state.isDone = true);
  promise.then(done, done);
  return state;
}

const receivers = (names: string[]) => Promise.all(names.map((name) => connect(server, name)));
const got = (receiver: Client, text: string) => until(() => receiver.texts.includes(text), text);

/** Waits until a message is in the record. */
async function committed(sender: Client, conversationId: string, text: string) {
  const isThere = async () => {
    const { items } = await request(sender, "get_messages", { conversationId });
    return items.some((message) => textOf(message) === text);
  };
  await until(isThere, `the commit of ${text}`);
}

/** Begins a conversation. Returns its id. */
async function conversationWith(sender: Client, receiverId: string, text: string) {
  const { conversationId } = await sendTo(sender, { receiverId }, text);
  return conversationId;
}

test("whatever does not concern the receiver who is held up goes on", async () => {
  const sender = await contractor(server);
  const [slow, quick, other] = await receivers(["slow1", "quick1", "other1"]);
  const { conversationId, messageId } = await sendTo(quick, { receiverId: "contractor1" }, "hello");
  const withSlow = await conversationWith(sender, "slow1", "zero");
  gate.hold("slow1");
  const bulk = watched(sendText(sender, ["slow1", "quick1"], "one"));
  await got(quick, "one");
  await gate.waits("slow1");

  await sendTo(sender, { receiverId: "quick1" }, "two");
  await got(quick, "two");
  assert.equal((await statusOf(sender, "quick1")).isOnline, true);
  await request(sender, "mark_as_read", { conversationId, upTo: messageId });
  await sendTo(quick, { receiverId: "contractor1" }, "to the contractor");
  await got(sender, "to the contractor");
  const second = watched(sendText(sender, ["slow1", "other1"], "three"));
  await got(other, "three");
  const direct = watched(sendTo(sender, { receiverId: "slow1" }, "four"));
  await committed(sender, withSlow, "four");

  // An alarm finds all of it in progress.
  await nextPing(sender);
  await nextPing(sender);
  assert.deepEqual(
    [bulk, second, direct].map(({ isDone }) => isDone),
    [false, false, false],
  );
  assert.deepEqual(slow.texts, ["zero"]);
  gate.open("slow1");
  const { results } = await bulk.promise;
  assert.deepEqual(
    results.map(({ delivered }) => delivered),
    [true, true],
  );
  await Promise.all([second.promise, direct.promise]);
  await got(slow, "four");
  assert.deepEqual(slow.texts, ["zero", "one", "three", "four"]);
  assert.equal(gate.asked("slow1"), 4);
});

test("a repeat waits for the first send, which is in progress, and gets its result", async () => {
  const sender = await contractor(server);
  const [slow] = await receivers(["slow2", "quick2"]);
  gate.hold("slow2");
  const key = { idempotencyKey: "in progress" };
  const send = () => sendText(sender, ["slow2", "quick2"], "keyed", key);
  const first = watched(send());
  await gate.waits("slow2");
  const repeat = watched(send());
  const conflict = await refusal(sender, "send_bulk_message", textTo(["quick2"], "else", key));
  assert.equal(conflict.code, "idempotency_conflict");
  // Nobody else waits for the repeat.
  await sendTo(sender, { receiverId: "quick2" }, "unkeyed");
  assert.deepEqual([first.isDone, repeat.isDone], [false, false]);
  gate.open("slow2");
  assert.deepEqual(await repeat.promise, await first.promise);
  assert.deepEqual(slow.texts, ["keyed"]);
  assert.equal(gate.asked("slow2"), 1);
});

test("whoever waits behind a failure is answered, and the outbox delivers both in order", async () => {
  const sender = await contractor(server);
  const [ill, well] = await receivers(["ill3", "well3"]);
  const withIll = await conversationWith(sender, "ill3", "zero");
  gate.hold("ill3");
  const bulk = sendText(sender, ["ill3", "well3"], "one");
  await gate.waits("ill3");
  const second = sendText(sender, ["ill3", "well3"], "two");
  await got(well, "two");
  const direct = sendTo(sender, { receiverId: "ill3" }, "three");
  await committed(sender, withIll, "three");
  gate.open("ill3", 500);
  const delivered = (await second).results.map((result) => result.delivered);
  assert.deepEqual(delivered, [false, true]);
  await Promise.all([bulk, direct]);
  await until(() => ill.texts.length >= 4, "what the outbox delivers");
  assert.deepEqual(ill.texts, ["zero", "one", "two", "three"]);
  assert.deepEqual(well.texts, ["one", "two"]);
});

test("killed while sends wait for each other, each arrives once and in order", async () => {
  const sender = await contractor(server);
  const names = ["slow4", "quick4", "other4"];
  const [, quick, other] = await receivers(names);
  const withSlow = await conversationWith(sender, "slow4", "zero");
  gate.hold("slow4");
  const lost: Promise<unknown>[] = [sendText(sender, ["slow4", "quick4"], "one")];
  await got(quick, "one");
  await gate.waits("slow4");
  lost.push(sendText(sender, ["slow4", "other4"], "two"));
  await got(other, "two");
  lost.push(sendTo(sender, { receiverId: "slow4" }, "three"));
  for (const one of lost) one.catch(() => {});
  await committed(sender, withSlow, "three");
  await server.kill();
  closeAll();
  gate.open("slow4");
  await server.start();

  // The sender is back, and sends more at once.
  await sendTo(await contractor(server), { receiverId: "slow4" }, "four");
  const open = () =>
    server.storage("contractor1", "SELECT * FROM outbox WHERE next_attempt_at IS NOT NULL");
  await until(() => open().length === 0, "the outbox is empty");
  // Nobody has confirmed anything, so each gets all that is in their log.
  const expected = [["zero", "one", "two", "three", "four"], ["one"], ["two"]];
  for (const [index, receiver] of (await receivers(names)).entries()) {
    await until(() => receiver.texts.length >= expected[index].length, "the messages");
    assert.deepEqual(receiver.texts, expected[index]);
  }
});

test("sends in progress count as waiting", async () => {
  const sender = await contractor(server);
  await receivers(["slow5", "quick5"]);
  const withSlow = await conversationWith(sender, "slow5", "hello");
  gate.hold("slow5");
  const sends = Array.from({ length: MAX_WAITING_SENDS }, (_, index) =>
    sendTo(sender, { receiverId: "slow5" }, `patient ${index}`),
  );
  await committed(sender, withSlow, `patient ${MAX_WAITING_SENDS - 1}`);
  const { code, message } = await refusal(sender, "send_bulk_message", textTo(["quick5"], "more"));
  assert.deepEqual(
    { code, message },
    { code: "rate_limited", message: "Too many messages are waiting, please wait" },
  );
  gate.open("slow5");
  await Promise.all(sends);
  await sendText(sender, ["quick5"], "more");
});
