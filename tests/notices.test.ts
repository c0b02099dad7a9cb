// People who are away hear of messages by the webhook, once for each conversation, and not of what they have read.

import assert from "node:assert/strict";
import test, { after, afterEach, before, beforeEach } from "node:test";

import { API_KEY, callApi } from "./support/api.ts";
import { run } from "./support/campaigns.ts";
import {
  closeAll,
  connect,
  contractor,
  next,
  request,
  sendText,
  sendTo,
  until,
} from "./support/clients.ts";
import { WEBHOOK_SECRET, toldOf, webhookOf } from "./support/notices.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";
import { startReceiver } from "./support/webhook-receiver.ts";
import type { WebhookReceiver } from "./support/webhook-receiver.ts";

const NOTIFY_AFTER_MS = 800;
const UNREAD_AFTER_MS = 1_500;
const WEBHOOK_TIMEOUT_MS = 1_500;

const vars = {
  API_KEY,
  HEALTH_CACHE_MS: 0,
  MAX_NEW_SENDERS_PER_DAY: 2,
  NOTICE_GIVE_UP_MS: 2_000,
  NOTICE_RETRY_MS: 100,
  NOTIFY_AFTER_MS,
  // A connected user's unread messages are looked at by the heartbeats.
  PING_INTERVAL_MS: 500,
  PING_TIMEOUT_MS: 5_000,
  PRESENCE_GRACE_MS: 1_000,
  UNREAD_AFTER_MS,
  WEBHOOK_EVENTS: "message.undelivered,message.unread,campaign.finished,user.online,user.offline",
  WEBHOOK_SECRET,
  WEBHOOK_STATE_CACHE_MS: 0,
  WEBHOOK_TIMEOUT_MS,
};

let receiver: WebhookReceiver;
let server: Server;
before(async () => {
  receiver = await startReceiver(WEBHOOK_SECRET);
  server = await startServer({ vars: { ...vars, WEBHOOK_URL: receiver.url } });
});
beforeEach(() => receiver.respond(204));
afterEach(closeAll);
after(async () => {
  assert.deepEqual(receiver.refused, []);
  receiver.close();
  await server.close();
});

async function away(...userIds: string[]) {
  for (const userId of userIds) await server.addUser(userId);
}

const api = (method: string, path: string, body?: object) => callApi(server, method, path, body);

/** Resolves when whatever was due by now has been told: a message that comes later has been. */
async function allIsTold(type: string, userId: string) {
  await away(userId);
  await sendText(await contractor(server, "canary's contractor"), [userId], "later");
  await webhookOf(receiver, type, userId);
}

test("messages of one conversation are one notice, and one more if they stay unread", async () => {
  await away("away1");
  const sender = await contractor(server);
  await sendTo(sender, { receiverId: "away1" }, "one");
  await sendTo(sender, { receiverId: "away1" }, "two");
  const { conversationId, messageId, timestamp } = await sendTo(
    sender,
    { receiverId: "away1" },
    "three",
    { jobId: "job1" },
  );
  const { body } = await webhookOf(receiver, "message.undelivered", "away1");
  const message = { messageId, messageType: "text", timestamp };
  const data = {
    receiverId: "away1",
    conversationId,
    sender: { id: "contractor1", name: "Contractor One", avatarUrl: null },
    count: 3,
    jobId: "job1",
    message,
  };
  assert.deepEqual(body.data, data);
  const unread = await webhookOf(receiver, "message.unread", "away1");
  assert.deepEqual(unread.body.data, data);
  await allIsTold("message.unread", "canary1");
  assert.deepEqual(toldOf(receiver, "away1"), ["message.undelivered 3", "message.unread 3"]);
  // A further message is a further notice.
  await sendTo(sender, { receiverId: "away1" }, "four");
  await until(() => toldOf(receiver, "away1").length === 3, "the next notice");
  assert.equal(toldOf(receiver, "away1")[2], "message.undelivered 1");
});

test("a device that confirms leaves the reminder, and reading leaves nothing", async () => {
  const sender = await contractor(server);
  const [looks, reads] = [await connect(server, "looks"), await connect(server, "reads")];
  const [arrived, alsoArrived] = [next(looks, "new_message"), next(reads, "new_message")];
  await sendText(sender, ["looks", "reads"], "hello");
  await arrived;
  const [{ conversationId, messageId }] = await alsoArrived;
  await request(reads, "mark_as_read", { conversationId, upTo: messageId });
  await webhookOf(receiver, "message.unread", "looks");
  await allIsTold("message.unread", "canary2");
  assert.deepEqual(toldOf(receiver, "looks"), ["message.unread 1"]);
  assert.deepEqual(toldOf(receiver, "reads"), []);
});

test("whoever comes back before it is due is not told", async () => {
  await away("returns");
  const sender = await contractor(server);
  await sendText(sender, ["returns"], "hello");
  const device = await connect(server, "returns");
  const { items } = await request(device, "get_conversations", {});
  const [{ conversationId, lastMessage }] = items as [(typeof items)[0]];
  await request(device, "mark_as_read", { conversationId, upTo: lastMessage?.messageId });
  await allIsTold("message.unread", "canary3");
  assert.deepEqual(toldOf(receiver, "returns"), []);
});

test("a device that leaves without confirming was none", async () => {
  const sender = await contractor(server);
  const device = await connect(server, "cut off", { transports: ["websocket"] });
  // From now on nothing gets through, and the server does not know it.
  device.io.engine.removeAllListeners("packet");
  const raw = (device.io.engine.transport as any).ws;
  raw._socket.pause();
  await sendText(sender, ["cut off"], "hello");
  raw._socket.destroy();
  await webhookOf(receiver, "message.undelivered", "cut off");
});

test("the user decides of which messages there are notices, and when", async () => {
  await away("wants all", "wants direct", "wants none", "sleeps");
  const [sender, other] = [await contractor(server), await contractor(server, "contractor2")];
  const prefer = (userId: string, change: object) =>
    api("PUT", `/v1/users/${encodeURIComponent(userId)}/preferences`, change);
  await prefer("wants direct", { notices: "direct" });
  await prefer("wants none", { notices: "none" });
  const at = (minutes: number) =>
    new Date(Date.now() + minutes * 60_000).toISOString().slice(11, 16);
  const [status] = await prefer("sleeps", {
    quietHours: { from: at(-60), to: at(60), timeZone: "UTC" },
  });
  assert.equal(status, 200);
  const all = ["wants all", "wants direct", "wants none", "sleeps"];
  await sendText(sender, all, "to many");
  for (const receiverId of all) await sendTo(other, { receiverId }, "to you");
  await allIsTold("message.undelivered", "canary4");
  const undelivered = (userId: string) =>
    toldOf(receiver, userId).filter((line) => line === "message.undelivered 1").length;
  assert.deepEqual(all.map(undelivered), [2, 1, 0, 0]);
  // They wake up.
  await prefer("sleeps", { quietHours: null });
  await until(() => toldOf(receiver, "sleeps").length >= 2, "what came meanwhile");
});

test("a sender who is held is not told of", async () => {
  await away("popular");
  for (const id of ["first", "second", "third"])
    await sendText(await contractor(server, `the ${id}`), ["popular"], "hello");
  await allIsTold("message.unread", "canary5");
  const senders = receiver.received
    .filter(({ body }) => body.type === "message.undelivered" && body.data.receiverId === "popular")
    .map(({ body }) => body.data.sender.id);
  assert.deepEqual(senders.sort(), ["the first", "the second"]);
});

test("what fails is repeated under the same id until it is taken", async () => {
  await away("patient");
  const sender = await contractor(server);
  receiver.respond(500);
  await sendText(sender, ["patient"], "hello");
  await until(() => toldOf(receiver, "patient").length === 2, "two attempts");
  receiver.reset();
  await until(() => toldOf(receiver, "patient").length === 3, "a third attempt");
  receiver.respond(302, { Location: receiver.url });
  await until(() => toldOf(receiver, "patient").length >= 4, "a fourth attempt");
  receiver.respond(204);
  await until(() => toldOf(receiver, "patient").length >= 5, "a fifth attempt");
  const attempts = receiver.received.filter(
    ({ body }) => body.type === "message.undelivered" && body.data.receiverId === "patient",
  );
  assert.equal(new Set(attempts.map(({ id }) => id)).size, 1);
  assert.equal(new Set(attempts.map(({ raw }) => raw.body)).size, 1);
});

test("what comes while it fails is one more notice, and no message is in two", async () => {
  await away("busy");
  const sender = await contractor(server);
  receiver.respond(500);
  await sendText(sender, ["busy"], "one");
  await until(() => toldOf(receiver, "busy").length > 0, "an attempt");
  for (const text of ["two", "three"]) {
    await sendText(sender, ["busy"], text);
    await allIsTold("message.undelivered", `canary while ${text} waits`);
  }
  receiver.respond(204);
  const told = () =>
    new Map(
      receiver.received
        .filter(({ body }) => body.data.receiverId === "busy")
        .map(({ id, body }) => [id, `${body.type} ${body.data.count}`]),
    );
  await until(() => told().size >= 2, "the next notice");
  await allIsTold("message.unread", "canary7");
  const lines = [...told().values()].filter((line) => line.startsWith("message.undelivered"));
  const counts = lines.map((line) => Number(line.split(" ")[1]));
  assert.equal(counts[0], 1);
  assert.ok(counts.reduce((sum, count) => sum + count) <= 3, `${counts}`);
  const reminders = [...told().values()].filter((line) => line === "message.unread 3");
  assert.equal(reminders.length, 1);
});

test("an endpoint that hangs delays no message", async () => {
  await away("customer of the slow");
  const slow = await contractor(server, "slow");
  const others = await contractor(server);
  slow.close();
  receiver.hang();
  // The contractor is away, and is told of a message.
  await sendTo(others, { receiverId: "slow" }, "are you there?");
  await webhookOf(receiver, "message.undelivered", "slow");
  const back = await connect(server, "slow", { claims: { role: "contractor" } });
  const device = await connect(server, "customer of the slow");
  const before = Date.now();
  for (const text of ["one", "two", "three"]) {
    const arrives = next(device, "new_message");
    await sendTo(back, { receiverId: "customer of the slow" }, text);
    await arrives;
  }
  assert.ok(Date.now() - before < WEBHOOK_TIMEOUT_MS, `${Date.now() - before} ms`);
});

test("it is told of campaigns and of who comes and goes", async () => {
  await away("campaign1");
  const sender = await contractor(server, "campaigner");
  const campaign = await run(sender, ["campaign1"], "hello");
  const finished = () =>
    receiver.received.find(({ body }) => body.data.campaignId === campaign.campaignId);
  const { body } = await until(finished, "campaign.finished");
  assert.deepEqual([body.type, body.data], ["campaign.finished", campaign]);
  const online = await webhookOf(receiver, "user.online", "campaigner");
  assert.deepEqual(Object.keys(online.body.data), ["userId", "lastSeen"]);
  // Whoever reconnects at once was never away.
  sender.close();
  const again = await contractor(server, "campaigner");
  await allIsTold("message.undelivered", "canary6");
  const ofThem = () =>
    receiver.received
      .filter(({ body }) => body.data.userId === "campaigner")
      .map(({ body }) => body.type);
  assert.deepEqual(ofThem(), ["user.online"]);
  again.close();
  await webhookOf(receiver, "user.offline", "campaigner");
});

test("what is given up is listed, and arrives when it is replayed", async () => {
  await away("given up");
  const sender = await contractor(server);
  receiver.respond(503);
  await sendText(sender, ["given up"], "hello");
  const { id } = await webhookOf(receiver, "message.undelivered", "given up");
  const listed = async () => {
    const [, { items }] = await api("GET", "/v1/webhooks/failed");
    return items.find(({ webhookId }: { webhookId: string }) => webhookId === id);
  };
  const item = await until(listed, "the failed webhook is listed", 20_000);
  assert.deepEqual([item.userId, item.lastStatus], ["given up", 503]);
  receiver.respond(204);
  const attempts = () => receiver.received.filter((one) => one.id === id).length;
  const before = attempts();
  const [status] = await api("POST", "/v1/webhooks/replay", { ids: [id] });
  assert.equal(status, 200);
  await until(() => attempts() > before, "the replay");
  assert.equal(await listed(), undefined);
});

test("410 switches the webhook off for everybody, and a replay on again", async () => {
  await away("gone1", "gone2");
  const sender = await contractor(server);
  receiver.respond(410);
  await sendText(sender, ["gone1"], "hello");
  const state = async () => {
    const [, health] = await api("GET", "/healthz");
    return health.webhook.state;
  };
  await until(async () => (await state()) === "off", "/healthz says that it is off");
  const failures = async () => {
    const [, { items }] = await api("GET", "/v1/webhooks/failed");
    return items.map(({ userId }: { userId: string }) => userId) as string[];
  };
  await sendText(sender, ["gone2"], "hello");
  const isFailed = async () => {
    const all = await failures();
    return all.includes("gone1") && all.includes("gone2");
  };
  await until(isFailed, "what is due fails");
  assert.deepEqual(toldOf(receiver, "gone2"), []);
  receiver.respond(204);
  await api("POST", "/v1/webhooks/replay");
  for (const userId of ["gone1", "gone2"]) await webhookOf(receiver, "message.undelivered", userId);
  assert.equal(await state(), "on");
});
