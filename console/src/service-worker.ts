// The service worker: shows pushes as notifications, also while no page is open.

/** A push (docs/notifications.md). */
interface Push {
  conversationId: string;
  sender: { id: string; name: string | null };
  count: number;
  messageType: string;
  timestamp: string;
  text?: string;
}

// The types of a worker's global scope exclude those of a page's.
interface PushArrived extends ExtendableEvent {
  data: { json(): Push } | null;
}
interface NotificationClicked extends ExtendableEvent {
  notification: Notification;
}
interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface OpenPage {
  url: string;
  focus(): Promise<unknown>;
  postMessage(message: unknown): void;
}
interface Scope {
  registration: ServiceWorkerRegistration;
  clients: {
    matchAll(options: object): Promise<OpenPage[]>;
    openWindow(url: string): Promise<unknown>;
  };
  addEventListener(name: "push", listener: (event: PushArrived) => void): void;
  addEventListener(name: "notificationclick", listener: (event: NotificationClicked) => void): void;
}
const scope = self as unknown as Scope;

/** The first line says how many there are, if the newest is not alone. */
function bodyOf({ count, text, messageType }: Push) {
  const newest = text ?? `An attachment (${messageType})`;
  return count > 1 ? `${count} messages\n${newest}` : newest;
}

/** A newer notification of the same conversation replaces the older one. */
function show(push: Push) {
  const { conversationId, sender, timestamp } = push;
  return scope.registration.showNotification(sender.name ?? sender.id, {
    body: bodyOf(push),
    tag: conversationId,
    // Not in every browser, nor in TypeScript's types.
    ...{ renotify: true, timestamp: Date.parse(timestamp) },
    data: { conversationId },
  });
}

/** Opens the conversation in a page that is open, or else in a new one. */
async function open(conversationId: string) {
  const pages = await scope.clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = pages.find(({ url }) => new URL(url).pathname === "/");
  const fragment = new URLSearchParams({ conversation: conversationId });
  if (!page) return scope.clients.openWindow(`/#${fragment}`);
  page.postMessage({ conversationId });
  return page.focus();
}

scope.addEventListener("push", (event) => {
  const push = event.data?.json();
  if (push) event.waitUntil(show(push));
});

scope.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data.conversationId));
});
