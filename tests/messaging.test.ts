// Direct messages and conversations: sending, receipts, history, read marks, typing.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";
import type { Conversations, Messages } from "switchboard-events";

import {
  closeAll,
  connect,
  contractor,
  next,
  directly,
  record,
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
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

let server: Server;
before(async () => {
  server = await startServer();
});
afterEach(closeAll);
after(() => server.close());

const notFound = { code: "not_found", message: "Conversation not found" };
const notParticipant = {
  code: "forbidden",
  message: "You are not a participant in this conversation",
};
const conversations = (socket: Client, page = {}) => request(socket, "get_conversations", page);
const messages = (socket: Client, conversationId: string, page = {}) =>
  request(socket, "get_messages", { conversationId, ...page });
const textsOf = ({ items }: Messages) => items.map(textOf);

let count = 0;
/** Connects two users that no other test uses. Returns their clients and ids. */
async function pair(): Promise<[ann: Client, bob: Client, annId: string, bobId: string]> {
  const [annId, bobId] = [`ann${++count}`, `bob${++count}`];
  const [ann, bob] = await Promise.all([connect(server, annId), connect(server, bobId)]);
  return [ann, bob, annId, bobId];
}

test("a message is stored and delivered to every device except the sending one", async () => {
  const [ann, bob, annId, bobId] = await pair();
  const annsOther = await connect(server, annId);
  const bobsOther = await connect(server, bobId, { transports: ["polling"] });
  const sent = record(ann, "new_message", "message_sent", "message_delivered");
  const others = [annsOther, bob, bobsOther].map((socket) => record(socket, "new_message"));
  const delivered = next(annsOther, "message_delivered");

  const reply = await sendTo(ann, { receiverId: bobId }, "hello", { jobId: "job1" });
  assert.deepEqual(Object.keys(reply), ["messageId", "conversationId", "timestamp"]);
  const { messageId, conversationId } = reply;
  const receipt = { messageId, conversationId, receiverId: bobId };
  assert.deepEqual((await delivered)[0], receipt);
  await until(() => others.every((events) => events.length === 1), "everyone's copy");
  for (const [event] of others) {
    assert.deepEqual(event?.[1], {
      messageId,
      conversationId,
      senderId: annId,
      sender: { id: annId, name: null, avatarUrl: null },
      receiverId: bobId,
      messageType: "text",
      content: { text: "hello" },
      jobId: "job1",
      timestamp: reply.timestamp,
    });
  }
  // The sending device gets the reply first, and no copy.
  await until(() => sent.length === 2, "the receipt");
  assert.deepEqual(sent, [
    ["message_sent", reply],
    ["message_delivered", receipt],
  ]);

  // The answer is sent to the same conversation by its id.
  const answer = await sendTo(bob, { conversationId }, "hi");
  assert.equal(answer.conversationId, conversationId);
  await until(() => ann.texts.includes("hi"), "the answer");
});

test("an offline receiver: the sender gets the receipt later, even if offline at that moment", async () => {
  const [ann, , annId] = await pair();
  await server.addUser("sleeper");
  const early = record(ann, "message_delivered");
  const { messageId, conversationId } = await sendTo(ann, { receiverId: "sleeper" }, "good night");
  const receipt = { messageId, conversationId, receiverId: "sleeper" };
  assert.deepEqual(early, []);
  ann.close();
  const asked = await connect(server, "witness");
  await until(async () => !(await statusOf(asked, annId)).isOnline, "ann offline");
  const sleeper = await connect(server, "sleeper");
  await until(() => sleeper.texts.length === 1, "the message");

  const back = await connect(server, annId);
  const receipts = () => back.events.filter(([name]) => name === "message_delivered");
  await until(() => receipts().length > 0, "the receipt");
  assert.deepEqual(receipts(), [["message_delivered", receipt]]);
  // Only once: when the receiver connects again, the sender gets no second receipt.
  sleeper.close();
  await connect(server, "sleeper");
  await sendTo(back, { receiverId: "witness" }, "last");
  await until(() => asked.texts.includes("last"), "the last message");
  const toSleeper = receipts().filter(([, { receiverId }]) => receiverId === "sleeper");
  assert.equal(toSleeper.length, 1);
});

test("receivers and conversations that are refused", async () => {
  const [ann, bob, annId, bobId] = await pair();
  const { conversationId } = await sendTo(ann, { receiverId: bobId }, "x");
  const stranger = await connect(server, "stranger");
  const refused = (socket: Client, to: object) =>
    refusal(socket, "send_message", directly(to as { receiverId: string }, "x"));
  assert.deepEqual(await refused(stranger, { conversationId }), notParticipant);
  assert.deepEqual(await refused(stranger, { conversationId: "nothing" }), notFound);
  assert.deepEqual(await refused(ann, { receiverId: "nobody" }), {
    code: "not_found",
    message: "Receiver not found",
  });
  assert.deepEqual(await refused(ann, { receiverId: annId }), {
    code: "forbidden",
    message: "You cannot send a message to yourself",
  });
  assert.deepEqual(await refused(ann, {}), {
    code: "invalid_payload",
    message: "Missing required fields",
  });
  const upTo = "019a0000-0000-7000-8000-000000000001";
  for (const [event, more] of Object.entries({
    typing_start: {},
    typing_stop: {},
    join_conversation: {},
    leave_conversation: {},
    mark_as_read: { upTo },
    get_messages: {},
  })) {
    const ask = (id: string) => refusal(stranger, event, { conversationId: id, ...more });
    assert.deepEqual(await ask(conversationId), notParticipant);
    assert.deepEqual(await ask("nothing"), notFound);
  }
  assert.equal(bob.texts.length, 1);
});

test("a conversation that exists only in D1", async () => {
  const [ann, bob, annId, bobId] = await pair();
  const conversationId = "0dd00000-0000-8000-8000-000000000001";
  const bytes = "x'0dd00000000080008000000000000001'";
  await server.db.batch([
    server.db
      .prepare(`INSERT INTO conversations VALUES (${bytes}, ?, ?, NULL, NULL, NULL, 0)`)
      .bind(annId, bobId),
    server.db
      .prepare(
        `INSERT INTO messages VALUES (${bytes}, x'019a0000000070008000000000000001', 1, 'text', ?, NULL)`,
      )
      .bind(JSON.stringify({ text: "old" })),
  ]);
  const heard = next(bob, "user_typing");
  await request(ann, "typing_start", { conversationId });
  assert.equal((await heard)[0].userId, annId);
  // The request has added it to the list.
  const [listed] = (await conversations(ann)).items;
  assert.equal(listed?.conversationId, conversationId);
  assert.equal(listed?.lastMessage.messageId, "019a0000-0000-7000-8000-000000000001");
});

test("recoverable events have an offset as the second argument, replies do not", async () => {
  const [ann, bob, , bobId] = await pair();
  const got = next(bob, "new_message");
  const delivered = next(ann, "message_delivered");
  const { conversationId, messageId } = await sendTo(ann, { receiverId: bobId }, "hello");
  const read = next(ann, "message_read");
  const reply = next(bob, "message_read");
  await request(bob, "mark_as_read", { conversationId, upTo: messageId });
  for (const [, offset] of await Promise.all([got, delivered, read])) {
    assert.equal(typeof offset, "string");
  }
  assert.equal((await reply).length, 1);
});

test("read marks: both sides are told, counts are updated, and marks move only forward", async () => {
  const [ann, bob, annId, bobId] = await pair();
  const bobsOther = await connect(server, bobId);
  const send = (text: string) => sendTo(ann, { receiverId: bobId }, text);
  const one = await send("1");
  const two = await send("2");
  const three = await send("3");
  const { conversationId } = one;
  const unread = async () => (await conversations(bob)).items[0]?.unreadCount;
  assert.equal(await unread(), 3);

  const heard = [ann, bobsOther].map((socket) => next(socket, "message_read"));
  const messageIds = [two.messageId, one.messageId];
  const read = { conversationId, messageIds, readBy: bobId };
  assert.deepEqual(await request(bob, "mark_as_read", { conversationId, messageIds }), read);
  for (const [payload] of await Promise.all(heard)) assert.deepEqual(payload, read);
  assert.equal(await unread(), 1);

  // A mark that would move back changes nothing, and no one is told.
  const quiet = record(ann, "message_read");
  const back = { conversationId, upTo: one.messageId };
  await request(bob, "mark_as_read", back);
  assert.equal(await unread(), 1);
  const upTo = three.messageId;
  await request(bob, "mark_as_read", { conversationId, upTo });
  await until(() => quiet.length > 0, "the last marking");
  assert.deepEqual(quiet, [["message_read", { conversationId, upTo, readBy: bobId }]]);
  assert.equal(await unread(), 0);

  // Own messages do not count as unread, and the list shows how far each participant has read.
  const [item] = (await conversations(ann)).items;
  assert.ok(item);
  assert.equal(item.unreadCount, 0);
  const marks = Object.fromEntries(item.participants.map(({ id, readUpTo }) => [id, readUpTo]));
  assert.deepEqual(marks, { [annId]: null, [bobId]: upTo });
});

test("conversations, newest first, in stable pages", async () => {
  const sender = await contractor(server, "lister");
  const ids = ["l1", "l2", "l3", "l4", "l5"];
  for (const id of ids) await server.addUser(id);
  await sendText(sender, ids, "to all", { jobId: "job9" });
  const { conversationId } = await sendTo(sender, { receiverId: "l2" }, "to one");

  const first = await conversations(sender, { limit: 2 });
  const [newest] = first.items;
  assert.ok(newest);
  assert.equal(newest.conversationId, conversationId);
  assert.equal(textOf(newest.lastMessage), "to one");
  assert.equal(newest.jobId, "job9");
  assert.equal(newest.updatedAt, newest.lastMessage.timestamp);
  // A message between two requests moves a conversation up without shifting the pages.
  await sendTo(sender, { receiverId: "l2" }, "again");
  const others = (page: Conversations) =>
    page.items.map(({ participants }) => participants.find(({ id }) => id !== "lister")?.id);
  const second = await conversations(sender, { limit: 2, cursor: first.nextCursor });
  const third = await conversations(sender, { limit: 2, cursor: second.nextCursor });
  assert.deepEqual([first, second, third].map(others), [["l2", "l5"], ["l4", "l3"], ["l1"]]);
  assert.equal(third.nextCursor, null);
  assert.deepEqual(await conversations(await connect(server, "loner")), {
    items: [],
    nextCursor: null,
  });
  // The payload may be omitted.
  sender.emit("get_conversations");
  const [page] = await next(sender, "conversations");
  assert.equal(page.items.length, 5);
});

test("messages in pages, in both directions", async () => {
  const [ann, bob, , bobId] = await pair();
  const { conversationId } = await sendTo(ann, { receiverId: bobId }, "1");
  const { messageId: after } = await sendTo(bob, { conversationId }, "2");
  for (const text of ["3", "4", "5"]) await sendTo(ann, { conversationId }, text);
  const first = await messages(bob, conversationId, { limit: 2 });
  assert.deepEqual(textsOf(first), ["5", "4"]);
  assert.equal(first.items[0]?.sender.id, first.items[0]?.senderId);
  const second = await messages(bob, conversationId, { limit: 2, before: first.nextCursor });
  const third = await messages(bob, conversationId, { limit: 2, before: second.nextCursor });
  assert.deepEqual([textsOf(second), textsOf(third)], [["3", "2"], ["1"]]);
  assert.equal(third.nextCursor, null);

  const newer = await messages(ann, conversationId, { after, limit: 2 });
  assert.deepEqual(textsOf(newer), ["3", "4"]);
  const newest = await messages(ann, conversationId, { after: newer.nextCursor });
  assert.deepEqual([textsOf(newest), newest.nextCursor], [["5"], null]);
});

test("typing is sent to the peer and never stored", async () => {
  const [ann, bob, annId, bobId] = await pair();
  const { conversationId } = await sendTo(ann, { receiverId: bobId }, "x");
  for (const [event, isTyping] of [
    ["typing_start", true],
    ["typing_stop", false],
  ] as const) {
    const heard = next(bob, "user_typing");
    assert.deepEqual(await request(ann, event, { conversationId }), { conversationId });
    assert.deepEqual(await heard, [{ conversationId, userId: annId, isTyping }]);
  }
  bob.close();
  await until(async () => !(await statusOf(ann, bobId)).isOnline, "bob offline");
  await request(ann, "typing_start", { conversationId });
  const back = await connect(server, bobId);
  const events = record(back, "user_typing");
  await sendTo(ann, { conversationId }, "last");
  await until(() => back.texts.includes("last"), "the last message");
  assert.deepEqual(events, []);
});

test("join and leave get replies", async () => {
  const [ann, , , bobId] = await pair();
  const { conversationId } = await sendTo(ann, { receiverId: bobId }, "x");
  const joined = next(ann, "joined_conversation");
  ann.emit("join_conversation", { conversationId });
  assert.deepEqual(await joined, [{ conversationId }]);
  const left = next(ann, "left_conversation");
  ann.emit("leave_conversation", { conversationId });
  assert.deepEqual(await left, [{ conversationId }]);
});

test("a message sent several times with the same key is stored once", async () => {
  const [ann, bob, annId, bobId] = await pair();
  const key = { idempotencyKey: "once" };
  const send = (socket: Client, text = "once") => sendTo(socket, { receiverId: bobId }, text, key);
  const annsOther = await connect(server, annId);
  const results = await Promise.all([send(ann), send(annsOther), send(ann)]);
  for (const result of results) assert.deepEqual(result, results[0]);
  ann.close();
  assert.deepEqual(await send(annsOther), results[0]);
  // Addressed by conversation id, it is still the same message.
  const { conversationId } = results[0];
  assert.deepEqual(await sendTo(annsOther, { conversationId }, "once", key), results[0]);
  const conflict = {
    code: "idempotency_conflict",
    message: "idempotencyKey was used before, for another message",
  };
  const other = directly({ receiverId: bobId }, "other", key);
  assert.deepEqual(await refusal(annsOther, "send_message", other), conflict);
  const bulk = textTo([bobId], "once", key);
  assert.deepEqual(await refusal(annsOther, "send_bulk_message", bulk), conflict);
  await sendTo(annsOther, { conversationId }, "last");
  await until(() => bob.texts.includes("last"), "the last message");
  assert.deepEqual(bob.texts, ["once", "last"]);
  assert.equal((await messages(annsOther, conversationId)).items.length, 2);
});

test("a recovering device gets its user's messages from other devices, but not its own", async () => {
  const [ann, , annId, bobId] = await pair();
  const other = await connect(server, annId, { reconnection: true, reconnectionDelay: 20 });
  await sendTo(other, { receiverId: bobId }, "mine");
  await sendTo(ann, { receiverId: bobId }, "elsewhere");
  await until(() => other.texts.includes("elsewhere"), "the other device's message");
  other.io.engine.close();
  await sendTo(ann, { receiverId: bobId }, "meanwhile");
  await next(other, "connect");
  assert.equal(other.recovered, true);
  await until(() => other.texts.includes("meanwhile"), "what was missed");
  assert.deepEqual(other.texts, ["elsewhere", "meanwhile"]);
});
