// People who are away hear of messages by pushes: what arrives at the push service, and what follows from its answers.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { vapidKeys } from "../scripts/lib/vapid.mjs";
import { closeAll, connect, contractor, request, sendTo, until } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";
import { startPushService } from "./support/push-service.ts";
import type { Browser, PushService } from "./support/push-service.ts";

const TTL = 3600;
const SUBJECT = "mailto:push@example.com";

let server: DevServer;
let service: PushService;
let publicKey: string;
before(async () => {
  service = await startPushService();
  const pair = await vapidKeys();
  publicKey = pair.publicKey;
  server = await createDevServer({
    VAPID_PUBLIC_KEY: publicKey,
    VAPID_PRIVATE_KEY: pair.privateKey,
    VAPID_SUBJECT: SUBJECT,
    PUSH_HOSTS: service.host,
    PUSH_TTL_S: TTL,
    PUSH_TIMEOUT_MS: 500,
    NOTIFY_AFTER_MS: 100,
    NOTICE_RETRY_MS: 100,
  });
  await server.start();
});
afterEach(closeAll);
after(async () => {
  await server?.close();
  service?.close();
});

/** Subscribes browsers of a user, who then leaves. */
async function away(userId: string, ...browsers: Browser[]) {
  const socket = await connect(server, userId);
  for (const { subscription } of browsers) await request(socket, "subscribe_push", subscription);
  socket.close();
}

const endpointsOf = (userId: string) =>
  server.storage(userId, "SELECT endpoint FROM push_subscriptions").map(({ endpoint }) => endpoint);

/** Returns how many notices of the user are still to be told. */
const waiting = (userId: string) =>
  server.storage(userId, "SELECT count(*) AS n FROM notices WHERE due_at IS NOT NULL")[0]?.n;

test("every browser of somebody who is away gets a push, and nobody else can read it", async () => {
  const browsers = [service.browser(), service.browser()];
  await away("bob", ...browsers);
  const ann = await contractor(server, "ann");
  const text = `Grüße! ${"😀".repeat(300)}`;
  const { conversationId, messageId } = await sendTo(ann, { receiverId: "bob" }, text);
  for (const browser of browsers) {
    const push = await browser.push(0);
    const { timestamp, ...payload } = push.payload;
    assert.ok(Math.abs(Date.parse(timestamp) - Date.now()) < 60_000, timestamp);
    assert.deepEqual(payload, {
      type: "message.undelivered",
      conversationId,
      sender: { id: "ann", name: "Contractor One", avatarUrl: null },
      count: 1,
      messageId,
      messageType: "text",
      text: [...text].slice(0, 200).join(""),
    });
    assert.deepEqual([push.ttl, push.urgency], [TTL, "normal"]);
    assert.deepEqual([push.publicKey, push.vapid.sub], [publicKey, SUBJECT]);
  }
  // The topics of one conversation differ, so that the push service cannot tell who talks to whom.
  const [one, other] = browsers.map(({ pushes }) => pushes[0]?.topic);
  assert.notEqual(one, other);
});

test("a newer push replaces an older one of its conversation, and of no other", async () => {
  const browser = service.browser();
  await away("reader", browser);
  const [ann, eve] = [await contractor(server, "ann"), await contractor(server, "eve")];
  await sendTo(ann, { receiverId: "reader" }, "one");
  const first = await browser.push(0);
  await sendTo(ann, { receiverId: "reader" }, "two");
  const second = await browser.push(1);
  await sendTo(eve, { receiverId: "reader" }, "three");
  const third = await browser.push(2);
  assert.deepEqual(
    [first, second, third].map(({ payload }) => payload.text),
    ["one", "two", "three"],
  );
  assert.equal(first.topic, second.topic);
  assert.notEqual(first.topic, third.topic);
});

for (const status of [404, 410]) {
  test(`a subscription that the push service no longer knows (${status}) is deleted`, async () => {
    const [old, current] = [service.browser(), service.browser()];
    const userId = `renewed-${status}`;
    await away(userId, old, current);
    old.respond(status);
    const ann = await contractor(server, "ann");
    await sendTo(ann, { receiverId: userId }, "one");
    await current.push(0);
    await until(() => endpointsOf(userId).length === 1, "the subscription is deleted");
    assert.deepEqual(endpointsOf(userId), [current.subscription.endpoint]);
    await sendTo(ann, { receiverId: userId }, "two");
    await current.push(1);
    assert.equal(old.pushes.length, 1);
  });
}

test("a push that fails is tried again, with the same content", async () => {
  const browser = service.browser();
  await away("patient", browser);
  const ann = await contractor(server, "ann");
  for (const fail of [() => browser.respond(500), () => browser.hang(), () => browser.reset()]) {
    const before = browser.pushes.length;
    fail();
    await sendTo(ann, { receiverId: "patient" }, `after ${before}`);
    const failed = await browser.push(before);
    browser.recover();
    const taken = await browser.push(before + 1);
    assert.deepEqual(taken.payload, failed.payload);
    assert.equal(taken.topic, failed.topic);
    await until(() => waiting("patient") === 0, "the push is taken");
  }
});

test("a push service that asks for time gets it", async () => {
  const browser = service.browser();
  await away("hurried", browser);
  browser.respond(429, { "Retry-After": "2" });
  const ann = await contractor(server, "ann");
  await sendTo(ann, { receiverId: "hurried" }, "text");
  const refused = await browser.push(0);
  browser.recover();
  const taken = await browser.push(1);
  const pause = taken.at - refused.at;
  assert.ok(pause >= 2_000, `tried again after ${pause} ms`);
});

test("a push that is refused is not tried again", async () => {
  const browser = service.browser();
  await away("refuser", browser);
  browser.respond(413);
  const ann = await contractor(server, "ann");
  await sendTo(ann, { receiverId: "refuser" }, "one");
  await browser.push(0);
  await until(() => waiting("refuser") === 0, "the push is given up");
  browser.recover();
  await sendTo(ann, { receiverId: "refuser" }, "two");
  assert.equal((await browser.push(1)).payload.text, "two");
  assert.equal(endpointsOf("refuser").length, 1);
});

test("a subscription with a key that is none is deleted", async () => {
  const { subscription } = service.browser();
  const p256dh = Buffer.alloc(65, 4).toString("base64url");
  const broken = { ...subscription, keys: { ...subscription.keys, p256dh } };
  const socket = await connect(server, "broken");
  await request(socket, "subscribe_push", broken);
  socket.close();
  const ann = await contractor(server, "ann");
  await sendTo(ann, { receiverId: "broken" }, "text");
  await until(() => endpointsOf("broken").length === 0, "the subscription is deleted");
});

test("the log says that a push failed, but not where it went or what it said", async () => {
  const browser = service.browser();
  await away("logged", browser);
  browser.respond(500);
  const ann = await contractor(server, "ann");
  await sendTo(ann, { receiverId: "logged" }, "a secret");
  await browser.push(0);
  const { endpoint, keys } = browser.subscription;
  const { origin, pathname } = new URL(endpoint);
  const says = ({ detail }: { detail?: string }) => detail === `${origin} answered 500`;
  await until(() => server.logged("push").some(says), "the line is there");
  for (const secret of [pathname, keys.auth, keys.p256dh, "a secret"]) {
    assert.ok(!server.output().includes(secret), secret);
  }
});
