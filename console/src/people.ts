// The people whose presence is watched.

import type { OnlineStatuses, SwitchboardSocket, UserOnlineStatus } from "switchboard-events";

import { ask } from "./requests.ts";
import { measure } from "./round-trip.ts";
import { change, isConnected, state } from "./store.ts";

const refreshEveryMs = 5_000;
/** Each of them costs a request to an object. */
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

/** Whether they are watched now. */
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

/** Watches belong to the connection: a new one has none. */
export const watchAgain = () => watch(stored());

let turn = 0;

/** Asks for those whose turn it is. The reply comes as an event, too, and is learned by that. */
function refreshSome() {
  const all = [...state.people.keys()];
  const from = turn < all.length ? turn : 0;
  turn = from + refreshedAtOnce;
  for (const userId of all.slice(from, turn)) void ask("get_online_status", { userId });
}

/** Changes are pushed; neither the number of devices is, nor who was away for a moment only. */
export function refreshWhileVisible() {
  setInterval(() => {
    if (document.hidden || !isConnected()) return;
    void measure();
    refreshSome();
  }, refreshEveryMs);
}
