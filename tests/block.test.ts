// Blocking: a blocked user can no longer reach the blocker, and sees them as never having been online.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import {
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

const block = (socket: Client, userId: string) => request(socket, "block_user", { userId });
const unblock = (socket: Client, userId: string) => request(socket, "unblock_user", { userId });
const REFUSED = "Receiver is not accepting messages from you";
const neverSeen = (userId: string) => ({
  userId,
  isOnline: false,
  lastSeen: null,
  connectionCount: 0,
});

test("a block covers messages, typing and presence, and can be lifted", async () => {
  const pest = await contractor(server, "pest");
  const victim = await connect(server, "victim");
  const { conversationId, messageId } = await sendTo(pest, { receiverId: "victim" }, "hello");
  await request(pest, "subscribe_online_status", { userIds: ["victim"] });

  const pushed = next(pest, "user_online_status");
  const replied = next(victim, "user_blocked");
  assert.deepEqual(await block(victim, "pest"), { userId: "pest" });
  assert.deepEqual(await replied, [{ userId: "pest" }]);
  // From now on the victim appears offline and never seen, also to existing watchers.
  assert.deepEqual(await pushed, [neverSeen("victim")]);
  assert.deepEqual(await statusOf(pest, "victim"), neverSeen("victim"));
  const bulk = await request(pest, "get_bulk_online_status", { userIds: ["victim"] });
  assert.deepEqual(bulk.victim, { isOnline: false, lastSeen: null });
  const watched = await request(pest, "subscribe_online_status", { userIds: ["victim"] });
  assert.deepEqual(watched.victim, { isOnline: false, lastSeen: null });

  for (const to of [{ conversationId }, { receiverId: "victim" }]) {
    assert.deepEqual(await refusal(pest, "send_message", directly(to, "no")), {
      code: "forbidden",
      message: REFUSED,
    });
  }
  const sent = await sendText(pest, ["victim", "other"], "no");
  assert.deepEqual(sent.errors[0], { receiverId: "victim", error: REFUSED });
  await request(pest, "typing_start", { conversationId });
  // The pest gets no read receipts either; the victim's other devices do.
  const other = await connect(server, "victim");
  const heard = next(other, "message_read");
  await request(victim, "mark_as_read", { conversationId, upTo: messageId });
  await heard;
  other.close();
  // The victim still sees the pest and may send them messages.
  assert.equal((await statusOf(victim, "pest")).isOnline, true);
  await sendTo(victim, { conversationId }, "go away");
  await until(() => pest.texts.includes("go away"), "the victim's message");

  const watching = pest.events.length;
  victim.close();
  const back = await connect(server, "victim");
  const seenAgain = next(pest, "user_online_status");
  assert.deepEqual(await unblock(back, "pest"), { userId: "pest" });
  const [status] = await seenAgain;
  assert.deepEqual([status.userId, status.isOnline], ["victim", true]);
  await sendTo(pest, { conversationId }, "sorry");
  await until(() => back.texts.includes("sorry"), "the message after the block");
  assert.equal((await statusOf(pest, "victim")).isOnline, true);
  const statuses = pest.events.slice(watching).filter(([name]) => name === "user_online_status");
  assert.equal(statuses.length, 2, "one push at the end of the block, and the last reply");
  assert.deepEqual(victim.texts, ["hello"]);
  assert.ok(victim.events.every(([name]) => name !== "user_typing"));
  assert.ok(pest.events.every(([name]) => name !== "message_read"));
});

test("a user who subscribes while blocked is told when the block ends, and of later changes", async () => {
  const victim = await connect(server, "victim3");
  const pest = await connect(server, "pest3");
  await block(victim, "pest3");
  const first = await request(pest, "subscribe_online_status", { userIds: ["victim3"] });
  assert.equal(first.victim3.isOnline, false);
  // Neither side may rely on memory.
  await server.evict("victim3", "hibernate");
  await server.evict("pest3", "hibernate");
  const seen = next(pest, "user_online_status");
  await unblock(victim, "pest3");
  assert.equal((await seen)[0].isOnline, true);
  const hidden = next(pest, "user_online_status");
  await block(victim, "pest3");
  assert.deepEqual(await hidden, [neverSeen("victim3")]);
});

test("a block survives eviction and can be repeated", async () => {
  const victim = await connect(server, "victim2");
  const pest = await connect(server, "pest2");
  await block(victim, "pest2");
  await block(victim, "pest2");
  await server.evict("victim2", "close");
  assert.deepEqual(await statusOf(pest, "victim2"), neverSeen("victim2"));
  const again = await connect(server, "victim2");
  await unblock(again, "pest2");
  await unblock(again, "pest2");
  assert.equal((await statusOf(pest, "victim2")).isOnline, true);
});

test("invalid requests", async () => {
  const socket = await connect(server, "self");
  for (const [payload, message] of [
    [{ userId: "self" }, "You cannot block yourself"],
    [{}, "userId must be a string of 1 to 128 characters, without control characters"],
  ]) {
    assert.deepEqual(await refusal(socket, "block_user", payload), {
      code: "invalid_payload",
      message,
    });
  }
});
