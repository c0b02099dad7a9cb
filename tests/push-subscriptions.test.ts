// Browsers subscribe to pushes: the three events, what they refuse, and when subscriptions end.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { vapidKeys } from "../scripts/lib/vapid.mjs";
import { API_KEY } from "./support/api.ts";
import { closeAll, connect, next, refusal, request } from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";
import { startPushService } from "./support/push-service.ts";
import type { PushService } from "./support/push-service.ts";
import { startServer } from "./support/server.ts";

const MAX = 3;

let server: DevServer;
let service: PushService;
let publicKey: string;
before(async () => {
  service = await startPushService();
  const pair = await vapidKeys();
  publicKey = pair.publicKey;
  server = await createDevServer({
    API_KEY,
    VAPID_PUBLIC_KEY: publicKey,
    VAPID_PRIVATE_KEY: pair.privateKey,
    VAPID_SUBJECT: "mailto:push@example.com",
    PUSH_HOSTS: `${service.host},push.example`,
    PUSH_MAX_SUBSCRIPTIONS: MAX,
  });
  await server.start();
});
afterEach(closeAll);
after(async () => {
  await server?.close();
  service?.close();
});

const newSubscription = () => service.browser().subscription;
type Subscription = ReturnType<typeof newSubscription>;

const subscribe = (socket: Client, subscription: Subscription) =>
  request(socket, "subscribe_push", subscription);
const unsubscribe = (socket: Client, { endpoint }: Subscription) =>
  request(socket, "unsubscribe_push", { endpoint });

/** Returns the user's subscriptions, as stored, by their endpoints. */
function stored(userId: string) {
  const rows = server.storage(userId, "SELECT endpoint, p256dh, auth FROM push_subscriptions");
  return new Map(rows.map(({ endpoint, p256dh, auth }) => [endpoint, { p256dh, auth }]));
}

const hasTable = (userId: string) => {
  const sql = "SELECT name FROM sqlite_master WHERE name = 'push_subscriptions'";
  return server.storage(userId, sql).length > 0;
};

const forBackend = (method: string, path: string, body?: object) =>
  fetch(`${server.url}/v1/users/${path}`, {
    method,
    headers: { Authorization: `Bearer ${API_KEY}`, "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });

test("a browser gets the key, subscribes and unsubscribes", async () => {
  const socket = await connect(server, "ann");
  const key = next(socket, "push_key");
  assert.deepEqual(await request(socket, "get_push_key", {}), { publicKey });
  assert.deepEqual(await key, [{ publicKey }]);

  const subscription = newSubscription();
  const { endpoint, keys } = subscription;
  const subscribed = next(socket, "push_subscribed");
  assert.deepEqual(await subscribe(socket, subscription), { endpoint });
  assert.deepEqual(await subscribed, [{ endpoint }]);
  assert.deepEqual(stored("ann"), new Map([[endpoint, keys]]));

  // The browser has renewed its keys. It may also say the same again.
  const renewed = { endpoint, keys: newSubscription().keys };
  for (const one of [renewed, renewed]) await subscribe(socket, one);
  assert.deepEqual(stored("ann"), new Map([[endpoint, renewed.keys]]));

  const unsubscribed = next(socket, "push_unsubscribed");
  assert.deepEqual(await unsubscribe(socket, subscription), { endpoint });
  assert.deepEqual(await unsubscribed, [{ endpoint }]);
  assert.deepEqual(stored("ann"), new Map());
});

test("whoever does not subscribe has no table for it", async () => {
  const socket = await connect(server, "nobody");
  await unsubscribe(socket, newSubscription());
  assert.ok(!hasTable("nobody"));
});

test("the subscription that was added first makes room", async () => {
  const socket = await connect(server, "many");
  const all = Array.from({ length: MAX + 1 }, newSubscription);
  for (const one of all) await subscribe(socket, one);
  const kept = all.slice(1).map(({ endpoint }) => endpoint);
  assert.deepEqual([...stored("many").keys()].sort(), kept.sort());
});

test("a subscription is refused unless it goes to an allowed push service", async () => {
  const socket = await connect(server, "eve");
  const subscription = newSubscription();
  const refusedWith = (changes: object) =>
    refusal(socket, "subscribe_push", { ...subscription, ...changes });
  const notAllowed = {
    code: "invalid_payload",
    message: "endpoint must be the https URL of a push service that is allowed here",
  };
  for (const endpoint of [
    "https://evil.example/push",
    "http://push.example/push",
    "https://push.example@evil.example/push",
    "https://fcm.googleapis.com/fcm/send/x",
    "http://localhost/push",
    "file:///etc/passwd",
  ]) {
    assert.deepEqual(await refusedWith({ endpoint }), notAllowed, endpoint);
  }
  const { p256dh, auth } = subscription.keys;
  for (const [keys, expected] of [
    [undefined, "keys must be an object with p256dh and auth"],
    [{ p256dh }, "keys.auth must be 16 bytes in base64url"],
    [{ p256dh: auth, auth }, "keys.p256dh must be 65 bytes in base64url"],
  ] as const) {
    const { message } = await refusedWith({ keys });
    assert.equal(message, expected);
  }
  assert.ok(!hasTable("eve"));
});

test("revoking a user's tokens ends the subscriptions", async () => {
  const socket = await connect(server, "lost-phone");
  await subscribe(socket, newSubscription());
  assert.equal((await forBackend("POST", "lost-phone/disconnect")).status, 200);
  assert.equal(stored("lost-phone").size, 1);
  assert.equal((await forBackend("POST", "lost-phone/disconnect", { revoke: true })).status, 200);
  assert.equal(stored("lost-phone").size, 0);
});

test("erasing a user erases the subscriptions", async () => {
  const socket = await connect(server, "gone");
  await subscribe(socket, newSubscription());
  assert.ok(hasTable("gone"));
  assert.equal((await forBackend("DELETE", "gone")).status, 204);
  assert.ok(!hasTable("gone"));
});

test("without keys there is nothing to subscribe to", async () => {
  const bare = await startServer();
  const socket = await connect(bare, "ann");
  assert.deepEqual(await request(socket, "get_push_key", {}), { publicKey: null });
  assert.deepEqual(await refusal(socket, "subscribe_push", newSubscription()), {
    code: "forbidden",
    message: "This server sends no pushes",
  });
  // A browser that was subscribed before can still be.
  const { endpoint } = newSubscription();
  assert.deepEqual(await request(socket, "unsubscribe_push", { endpoint }), { endpoint });
  socket.close();
  await bare.close();
});

test("some of the keys without the others are reported by name, without any key", async () => {
  const { privateKey } = await vapidKeys();
  const bad = await startServer({ vars: { VAPID_PRIVATE_KEY: privateKey } });
  const text = await (await fetch(`${bad.url}/socket.io/?EIO=4&transport=polling`)).text();
  assert.match(text, /VAPID_PUBLIC_KEY: not set/);
  assert.ok(!text.includes(privateKey));
  await bad.close();
});
