// Pushes to the console: the switch, and what the service worker shows. The browser's own push service cannot be reached
// from a test: pushes are delivered through the DevTools protocol, and `pushManager.subscribe`, which would ask that
// service, returns a subscription at the one on loopback. All else is real.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { CDPSession, Page } from "playwright-core";

import { vapidKeys } from "../../scripts/lib/vapid.mjs";
import * as clients from "../support/clients.ts";
import { startPushService } from "../support/push-service.ts";
import type { PushService } from "../support/push-service.ts";
import { connected, messages, section, signIn, violations } from "./support.ts";
import { contractor, customer, serveSite } from "./site.ts";

const { publicKey, privateKey } = await vapidKeys();
const site = serveSite({
  VAPID_PUBLIC_KEY: publicKey,
  VAPID_PRIVATE_KEY: privateKey,
  VAPID_SUBJECT: "mailto:push@example.com",
  PUSH_HOSTS: "127.0.0.1",
});

let service: PushService;
before(async () => void (service = await startPushService()));
after(() => service.close());

/** Opens a page that may show notifications, and whose browser subscribes at the service on loopback. */
async function pageWithPush(userId: string, claims: object) {
  const page = await site.blankPage();
  const browser = service.browser();
  await page.context().grantPermissions(["notifications"], { origin: site.server.url });
  await page.addInitScript((subscription) => {
    const toJSON = () => subscription;
    const unsubscribe = async () => true;
    const subscribe = async ({ applicationServerKey }: PushSubscriptionOptionsInit) => {
      Object.assign(window, { subscribedWith: applicationServerKey });
      return { endpoint: subscription.endpoint, toJSON, unsubscribe };
    };
    Object.assign(PushManager.prototype, { subscribe });
  }, browser.subscription);
  await signIn(page, site.server, userId, claims);
  return { page, browser };
}

const notifyMe = (page: Page) => page.getByLabel("Notify me when this page is closed");

/** Returns the endpoints that the server would push to. */
const endpointsOf = (userId: string) =>
  site.server.storage(userId, "SELECT endpoint FROM push_subscriptions").map((row) => row.endpoint);

/** Delivers pushes to the service worker of the page, as the browser's push service would. */
async function deliveryTo(page: Page) {
  const cdp: CDPSession = await page.context().newCDPSession(page);
  const registered = new Promise<string>((resolve) => {
    cdp.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      for (const { registrationId } of registrations) resolve(registrationId);
    });
  });
  await cdp.send("ServiceWorker.enable");
  const registrationId = await registered;
  return (push: object) =>
    cdp.send("ServiceWorker.deliverPushMessage", {
      origin: site.server.url,
      registrationId,
      data: JSON.stringify(push),
    });
}

/** Returns the notifications that are shown, as soon as one of them has this text. */
const shown = (page: Page, body: string) =>
  clients.until(async () => {
    const all = await page.evaluate(async () => {
      const registration = await navigator.serviceWorker.ready;
      const notifications = await registration.getNotifications();
      return notifications.map(({ title, body, tag }) => ({ title, body, tag }));
    });
    return all.some((one) => one.body === body) && all;
  }, `a notification says ${body}`);

/** What the server pushes (src/core/push/content.rs). */
const push = (conversationId: string, count: number, more: object) => ({
  type: "message.undelivered",
  conversationId,
  sender: { id: "ann", name: "Ann Fixit", avatarUrl: null },
  count,
  messageId: "019a0000-0000-7000-8000-000000000001",
  messageType: "text",
  timestamp: "2026-11-30T12:00:00.000Z",
  ...more,
});

test("the switch subscribes the browser and ends it", async () => {
  const { page, browser } = await pageWithPush("bob", customer);
  const { endpoint } = browser.subscription;
  await notifyMe(page).check();
  await page.getByText("push_subscribed").first().waitFor();
  assert.deepEqual(endpointsOf("bob"), [endpoint]);
  assert.equal(await page.evaluate("subscribedWith"), publicKey);
  assert.deepEqual(await violations(page), []);
  await notifyMe(page).uncheck();
  await page.getByText("push_unsubscribed").first().waitFor();
  assert.deepEqual(endpointsOf("bob"), []);
});

test("signing out ends it", async () => {
  const { page } = await pageWithPush("leaver", customer);
  await notifyMe(page).check();
  await page.getByText("push_subscribed").first().waitFor();
  assert.equal(endpointsOf("leaver").length, 1);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Token").waitFor();
  await clients.until(() => endpointsOf("leaver").length === 0, "the subscription ends");
});

test("pushes are shown, one for each conversation, and open it", async () => {
  const ann = await clients.connect(site.server, "ann", { claims: contractor });
  const { page } = await pageWithPush("reader", customer);
  const sent = await clients.sendTo(ann, { receiverId: "reader" }, "When can you come?");
  const { conversationId } = sent;
  await notifyMe(page).check();
  await page.getByText("push_subscribed").first().waitFor();
  const deliver = await deliveryTo(page);

  await deliver(push(conversationId, 1, { text: "Hello" }));
  assert.deepEqual(await shown(page, "Hello"), [
    { title: "Ann Fixit", body: "Hello", tag: conversationId },
  ]);
  await deliver(push("another", 1, { messageType: "image" }));
  await shown(page, "An attachment (image)");
  await deliver(push(conversationId, 2, { text: "When can you come?" }));
  const all = await shown(page, "2 messages\nWhen can you come?");
  assert.deepEqual(all.map(({ tag }) => tag).sort(), ["another", conversationId].sort());

  // A click, which the DevTools protocol has no command for.
  const [worker] = page.context().serviceWorkers();
  await worker.evaluate(async (tag) => {
    const { registration } = self as unknown as { registration: ServiceWorkerRegistration };
    const [notification] = await registration.getNotifications({ tag });
    const Click = (self as any).NotificationEvent;
    self.dispatchEvent(new Click("notificationclick", { notification }));
  }, conversationId);
  await messages(page).getByText("When can you come?").waitFor();
});

test("a notification opens the page at its conversation", async () => {
  site.server.addUsers(["opener"]);
  const ann = await clients.connect(site.server, "ann", { claims: contractor });
  const { conversationId } = await clients.sendTo(ann, { receiverId: "opener" }, "Are you there?");
  const page = await site.blankPage();
  await page.goto(`${site.server.url}/#conversation=${conversationId}`);
  await page.getByLabel("Token").fill(site.server.token("opener", customer));
  await page.getByRole("button", { name: "Sign in" }).click();
  await connected(page);
  await messages(page).getByText("Are you there?").waitFor();
  assert.equal(new URL(page.url()).hash, "");
});

test("without permission, the page says what is in the way", async () => {
  const page = await site.pageOf("blocked", customer);
  // Without a permission to ask for, the browser refuses at once.
  await notifyMe(page).click();
  await section(page, "Connection").getByText("Notifications are blocked").waitFor();
  assert.equal(await notifyMe(page).isChecked(), false);
  assert.equal(await page.getByText("subscribe_push", { exact: true }).count(), 0);
});
