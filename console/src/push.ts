// Pushes to this browser: a subscription, which belongs to one user at a time, and the service worker that shows what
// arrives. Tabs may have different users, so the browser's storage says whose subscription it is.

import { ask } from "./requests.ts";
import { change, state } from "./store.ts";
import type { Pushes } from "./store.ts";
import { open } from "./thread.ts";

const ownerKey = "switchboard.push";

const unsupported = "This browser does not support it here.";
const notConfigured = "This server sends no pushes.";
const blocked = "Notifications are blocked in this browser's settings.";
const failed = "The browser's push service cannot be reached.";

const set = (pushes: Partial<Pushes>) => change({ pushes: { ...state.pushes, ...pushes } });

const isSupported = () =>
  "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

/** Returns this browser's subscription, whoever's it is. */
async function current() {
  const registration = await navigator.serviceWorker.getRegistration();
  return (await registration?.pushManager.getSubscription()) ?? null;
}

/** Replaces the browser's subscription: what another user has subscribed must not reach this one. */
async function renew(publicKey: string): Promise<PushSubscription> {
  const registration = await navigator.serviceWorker.register("service-worker.js");
  await navigator.serviceWorker.ready;
  await (await registration.pushManager.getSubscription())?.unsubscribe();
  const options = { userVisibleOnly: true, applicationServerKey: publicKey };
  return registration.pushManager.subscribe(options);
}

/** Tells the server of a subscription. Returns whether that succeeded. */
async function tell(subscription: PushSubscription): Promise<boolean> {
  const { endpoint, keys } = subscription.toJSON();
  if (!endpoint || !keys?.p256dh || !keys.auth) return false;
  const { p256dh, auth } = keys;
  return Boolean(await ask("subscribe_push", { endpoint, keys: { p256dh, auth } }));
}

/** Asks whether the server sends pushes, and tells it again of a subscription. Returns whether that succeeded. */
export async function load(): Promise<boolean> {
  if (!isSupported()) {
    set({ obstacle: unsupported });
    return true;
  }
  const key = await ask("get_push_key", {});
  if (!key) return false;
  const { publicKey } = key;
  set({ publicKey, obstacle: publicKey ? null : notConfigured });
  const isMine = localStorage.getItem(ownerKey) === state.me?.userId;
  const subscription = publicKey && isMine ? await current() : null;
  if (!subscription || !(await tell(subscription))) return true;
  set({ endpoint: subscription.endpoint });
  return true;
}

/** Turns pushes on; the browser asks the user for permission. */
export async function turnOn() {
  const { me, pushes } = state;
  if (!me || !pushes.publicKey) return;
  set({ isBusy: true, obstacle: null });
  const permission = await Notification.requestPermission();
  if (permission !== "granted") return set({ isBusy: false, obstacle: blocked });
  const subscription = await renew(pushes.publicKey).catch(() => null);
  if (!subscription) return set({ isBusy: false, obstacle: failed });
  const isTold = await tell(subscription);
  // Meanwhile the user may have signed out.
  if (state.me !== me || !isTold) {
    void subscription.unsubscribe();
    return set({ isBusy: false });
  }
  localStorage.setItem(ownerKey, me.userId);
  set({ isBusy: false, endpoint: subscription.endpoint });
}

/** Turns pushes off. Does not wait for the answer, so that it also works while signing out. */
export function turnOff() {
  const { endpoint } = state.pushes;
  if (!endpoint) return;
  void ask("unsubscribe_push", { endpoint });
  // If the server does not hear of it, the push service tells it.
  void current().then((subscription) => subscription?.unsubscribe());
  localStorage.removeItem(ownerKey);
  set({ endpoint: null });
}

/** Opens the conversation whose notification was clicked. */
export function listenForClicks() {
  if (!isSupported()) return;
  navigator.serviceWorker.addEventListener("message", ({ data }) => {
    if (state.me && typeof data?.conversationId === "string") void open(data.conversationId);
  });
}
