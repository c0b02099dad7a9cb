// What one user may cost everybody: messages in a day, sends that wait, calls of objects and queries of D1.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import test, { after, afterEach, before } from "node:test";
import type { PayloadOf, Refusal, RequestName } from "switchboard-events";

import {
  ackOf,
  closeAll,
  connect,
  contractor,
  directly,
  next,
  refusal,
  request,
  sendText,
  sendTo,
  statusOf,
  textTo,
  until,
} from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const API_KEY = "a key for the service, of 32 bytes or more";

/** The quotas of a day, and of waiting sends. */
let daily: Server;
/** A second brings one query and ten calls; ten times as many may come at once. */
let thrifty: Server;
before(async () => {
  const quotas = {
    MAX_MESSAGES_PER_DAY: 8,
    MAX_MESSAGE_BYTES_PER_DAY: 100_000,
    MAX_NEW_CONVERSATIONS_PER_DAY: 3,
    MAX_WAITING_SENDS: 3,
    MAX_BLOCKED_USERS: 2,
    MAX_WAITING_SEND_BYTES: 300,
  };
  const costs = {
    MAX_OBJECTS_PER_SECOND: 10,
    MAX_QUERIES_PER_SECOND: 1,
    MAX_EVENTS_PER_SECOND: 0,
  };
  [daily, thrifty] = await Promise.all([
    startServer({ vars: { ...quotas, API_KEY } }),
    startServer({ vars: costs }),
  ]);
  for (const id of ["a", "b", "c", "d", "e"]) await daily.addUser(id);
  for (const id of ["a", "b"]) await thrifty.addUser(id);
});
afterEach(closeAll);
after(() => Promise.all([daily.close(), thrifty.close()]));

const untilMidnight = () => 86_400_000 - (Date.now() % 86_400_000);

/** Checks that a send is refused until the end of the day. */
async function checkRefused(what: string, refused: Promise<Awaited<ReturnType<typeof refusal>>>) {
  const { code, message, retryAfterMs = 0 } = await refused;
  assert.deepEqual(
    { code, message },
    { code: "rate_limited", message: `Too many ${what} today, please wait until tomorrow (UTC)` },
  );
  assert.ok(Math.abs((retryAfterMs ?? 0) - untilMidnight()) < 60_000, `${retryAfterMs} ms`);
}

test("messages of a day: counted for each receiver and across evictions; repeats do not count", async () => {
  const sender = await contractor(daily, "busy");
  const key = { idempotencyKey: "k" };
  const first = await sendText(sender, ["a", "b", "c"], "to three", key);
  for (let send = 0; send < 5; send++) await sendTo(sender, { receiverId: "a" }, `${send}`);
  const refuse = (socket: Client, event: string, payload: object) =>
    checkRefused("messages", refusal(socket, event, payload));
  await refuse(sender, "send_message", directly({ receiverId: "a" }, "one too many"));
  await refuse(sender, "send_bulk_message", textTo(["a", "b"], "two too many"));
  assert.deepEqual(await sendText(sender, ["a", "b", "c"], "to three", key), first);

  await daily.evict("busy", "close");
  const again = await contractor(daily, "busy");
  await refuse(again, "send_message", directly({ receiverId: "a" }, "one too many"));
  // What a service sends in the user's name counts for the user.
  const body = { senderId: "busy", ...directly({ receiverId: "a" }, "one too many") };
  const response = await fetch(`${daily.url}/v1/messages`, {
    method: "POST",
    headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.equal(response.status, 429);
  const wait = Number(response.headers.get("retry-after"));
  assert.ok(Math.abs(wait * 1_000 - untilMidnight()) < 60_000, `${wait} s`);
});

test("what can never fit into a day is refused for good", async () => {
  const sender = await contractor(daily, "immoderate");
  const everybody = Array.from({ length: 9 }, (_, index) => `anybody${index}`);
  assert.deepEqual(await refusal(sender, "send_bulk_message", textTo(everybody, "x")), {
    code: "too_many",
    message: "This is more messages than you may send in a day",
  });
});

test("bytes of a day: those of the content, for each receiver", async () => {
  const sender = await contractor(daily, "wordy");
  // Three bytes each.
  const text = "字".repeat(10_000);
  await sendText(sender, ["a", "b", "c"], text);
  const more = directly({ receiverId: "a" }, text);
  await checkRefused("bytes", refusal(sender, "send_message", more));
  await sendTo(sender, { receiverId: "a" }, "short");
});

test("new conversations of a day: those that the sender begins", async () => {
  const sender = await connect(daily, "sociable");
  for (const id of ["a", "b", "c"]) await sendTo(sender, { receiverId: id }, "hello");
  const more = directly({ receiverId: "d" }, "hello");
  await checkRefused("new conversations", refusal(sender, "send_message", more));
  await sendTo(sender, { receiverId: "a" }, "again");
  // A reply begins nothing.
  const other = await connect(daily, "d");
  await sendTo(other, { receiverId: "sociable" }, "hello");
  await sendTo(sender, { receiverId: "d" }, "hello");
});

test("blocks: so many, until one ends", async () => {
  const socket = await connect(daily, "unforgiving");
  const block = (userId: string) => request(socket, "block_user", { userId });
  for (const id of ["a", "b", "a"]) await block(id);
  assert.deepEqual(await refusal(socket, "block_user", { userId: "c" }), {
    code: "too_many",
    message: "You must not block more than 2 users",
  });
  await request(socket, "unblock_user", { userId: "a" });
  await block("c");
});

test("sends that wait for an earlier one are bounded in number and in bytes", async () => {
  const waiting = {
    code: "rate_limited",
    message: "Too many messages are waiting, please wait",
    retryAfterMs: 1_000,
  };
  const refused = async (socket: Client, texts: string[]) => {
    const acks = await Promise.all(
      texts.map((text) => ackOf(socket, "send_message", directly({ receiverId: "e" }, text))),
    );
    return acks.flatMap((ack) => ("error" in ack ? [ack.error] : []));
  };
  /** Users send until one of them is faster than the database. Returns how many sends were refused, of how many. */
  const hurry = async (name: string, texts: (sender: number) => string[]) => {
    for (let sender = 1; ; sender++) {
      const socket = await connect(daily, `${name}${sender}`);
      const errors = await refused(socket, texts(sender));
      for (const error of errors) assert.deepEqual(error, waiting);
      if (errors.length > 0) return [errors.length, sender * texts(0).length];
      assert.ok(sender < 9, "nothing had to wait");
    }
  };
  const receiver = await connect(daily, "e");
  const [tooMany, sent] = await hurry("hasty", (sender) =>
    [..."12345678"].map((text) => `${sender}${text}`),
  );
  await until(() => receiver.texts.length === sent - tooMany, "those that were not refused");
  assert.deepEqual(receiver.texts, receiver.texts.toSorted());

  // There is room for one of these to wait, although four are not too many.
  await hurry("wordy", () => Array.from({ length: 4 }, () => "x".repeat(200)));
});

test("requests are limited by the users they ask about, whichever connection sends them", async () => {
  const [one, other] = await Promise.all([
    connect(thrifty, "curious"),
    connect(thrifty, "curious"),
  ]);
  // It takes more than nine seconds until as many can be asked about again.
  const ids = Array.from({ length: 95 }, (_, index) => `somebody${index}`);
  const bulk = { userIds: ids };
  await request(one, "get_bulk_online_status", bulk);
  const check = async (event: string) => {
    const { code, message, retryAfterMs } = await refusal(other, event, bulk);
    const expected = "Your requests cost too much, please wait";
    assert.deepEqual({ code, message }, { code: "rate_limited", message: expected });
    assert.ok(retryAfterMs && retryAfterMs <= 9_000, `${retryAfterMs} ms`);
  };
  await check("get_bulk_online_status");
  await check("subscribe_online_status");
  // A refusal costs nothing, and what costs less is still possible.
  assert.equal((await statusOf(other, "somebody1")).isOnline, false);
  const another = await connect(thrifty, "another");
  await request(another, "get_bulk_online_status", bulk);
});

test("a client that recovers more often than it may ask for what it watches gets it in steps", async () => {
  const watcher = await connect(thrifty, "restless", {
    transports: ["websocket"],
    reconnection: true,
    reconnectionDelay: 10,
  });
  const friend = await connect(thrifty, "friend");
  await sendTo(friend, { receiverId: "restless" }, "an offset to recover from");
  await until(() => watcher.texts.length === 1, "the message");
  const watched = Array.from({ length: 39 }, (_, index) => `watched${index}`);
  await request(watcher, "subscribe_online_status", { userIds: [...watched, "friend"] });
  // It takes more than three seconds until as many can be asked about again.
  const others = Array.from({ length: 59 }, (_, index) => `other${index}`);
  await request(watcher, "get_bulk_online_status", { userIds: others });
  let disconnects = 0;
  watcher.on("disconnect", () => (disconnects += 1));
  const recovered = next(watcher, "connect");
  const friendIsGone = next(watcher, "user_online_status");
  watcher.io.engine.close();
  friend.close();
  await recovered;
  assert.equal(watcher.recovered, true);
  assert.equal((await friendIsGone)[0].isOnline, false);
  assert.equal(disconnects, 1);
});

/** Sends such requests one after another until one is limited. Returns the codes of the errors, if any. */
async function untilLimited<Name extends RequestName>(
  socket: Client,
  event: Name,
  payload: (index: number) => PayloadOf<Name>,
) {
  const codes: (string | null)[] = [];
  for (let index = 0; index < 40 && codes.at(-1) !== "rate_limited"; index++) {
    const ack: object = await ackOf(socket, event, payload(index));
    codes.push("error" in ack ? (ack as Refusal).error.code : null);
  }
  return codes;
}

test("requests are limited by what they ask D1; that there is nothing is remembered", async () => {
  const prober = await connect(thrifty, "prober");
  const unknown = { conversationId: randomUUID() };
  for (const event of ["typing_start", "get_messages", "join_conversation"] as const) {
    const codes = await untilLimited(prober, event, () => unknown);
    assert.deepEqual(codes, Array(40).fill("not_found"));
  }
  const different = () => ({ conversationId: randomUUID() });
  const codes = await untilLimited(prober, "typing_start", different);
  assert.equal(codes[0], "not_found");
  assert.equal(codes.at(-1), "rate_limited");
});

test("a conversation that begins is known at once, even if it was asked for before", async () => {
  // Ids are the same everywhere.
  const elsewhere = await connect(daily, "first");
  await connect(daily, "second");
  const { conversationId } = await sendTo(elsewhere, { receiverId: "second" }, "hello");
  const [first, second] = await Promise.all([
    connect(thrifty, "first"),
    connect(thrifty, "second"),
  ]);
  const page = { conversationId };
  assert.equal((await refusal(second, "get_messages", page)).code, "not_found");
  await sendTo(first, { receiverId: "second" }, "hello");
  const { items } = await request(second, "get_messages", page);
  assert.deepEqual(
    items.map(({ content }) => content),
    [{ text: "hello" }],
  );
});

test("that an id is no user's is remembered, too", async () => {
  const prober = await connect(thrifty, "prober2");
  const same = await untilLimited(prober, "get_online_status", () => ({ userId: "a stranger" }));
  assert.deepEqual(same, Array(40).fill(null));
  const different = (index: number) => ({ userId: `stranger${index}` });
  const codes = await untilLimited(prober, "get_online_status", different);
  assert.equal(codes[0], null);
  assert.equal(codes.at(-1), "rate_limited");
});
