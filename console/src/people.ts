// Watches the presence of other users.

import type { OnlineStatuses, SwitchboardSocket, UserOnlineStatus } from "switchboard-events";

import { ask } from "./requests.ts";
import { measure } from "./round-trip.ts";
import { change, isConnected, state } from "./store.ts";

const refreshEveryMs = 5_000;
/** Each refresh costs a request to a User object. */
const refreshedAtOnce = 5;

const storageKey = () => `switchboard.watched.${state.me?.userId}`;

function stored(): string[] {
  try {
    const ids: unknown = JSON.parse(localStorage.getItem(storageKey()) ?? "[]");
    return Array.isArray(ids) ? ids.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}

function store() {
  localStorage.setItem(storageKey(), JSON.stringify([...state.people.keys()]));
}

function learn(statuses: OnlineStatuses) {
  for (const [userId, status] of Object.entries(statuses)) {
    const connectionCount = state.people.get(userId)?.connectionCount ?? null;
    state.people.set(userId, { userId, connectionCount, ...status });
    state.acquaintances.add(userId);
  }
  change();
}

function learnOne(status: UserOnlineStatus) {
  const known = state.people.get(status.userId);
  if (!known) return;
  if (known.isOnline !== status.isOnline) state.news = status;
  state.people.set(status.userId, status);
  change();
}

export function listen(socket: SwitchboardSocket) {
  socket.on("user_online_status", learnOne);
}

/** Starts watching these users. Returns whether that succeeded. */
export async function watch(userIds: string[]): Promise<boolean> {
  if (userIds.length === 0) return true;
  const statuses = await ask("subscribe_online_status", { userIds });
  if (!statuses) return false;
  learn(statuses);
  store();
  refreshSome();
  return true;
}

export async function unwatch(userId: string) {
  state.people.delete(userId);
  store();
  change();
  if (isConnected()) await ask("unsubscribe_online_status", { userIds: [userId] });
}

/** Restores the subscriptions: they belong to a connection, so a new one has none. */
export const watchAgain = () => watch(stored());

let turn = 0;

/** Refreshes the next few users. The reply also arrives as an event, whose listener updates the state. */
function refreshSome() {
  const all = [...state.people.keys()];
  const from = turn < all.length ? turn : 0;
  turn = from + refreshedAtOnce;
  for (const userId of all.slice(from, turn)) void ask("get_online_status", { userId });
}

/** Polls for what is not pushed: changes in the number of devices, and brief absences. */
export function refreshWhileVisible() {
  setInterval(() => {
    if (document.hidden || !isConnected()) return;
    void measure();
    refreshSome();
  }, refreshEveryMs);
}
