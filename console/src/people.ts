// The people whose presence is watched.

import type { OnlineStatuses, SwitchboardSocket, UserOnlineStatus } from "switchboard-events";

import { ask } from "./requests.ts";
import { change, state } from "./store.ts";

const refreshEveryMs = 5_000;
/** A connection may ask only so much at once. */
const maxRefreshedAtOnce = 20;

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
  }
  change();
}

function learnOne(status: UserOnlineStatus) {
  if (!state.people.has(status.userId)) return;
  state.people.set(status.userId, status);
  change();
}

export function listen(socket: SwitchboardSocket) {
  socket.on("user_online_status", learnOne);
}

export async function watch(userIds: string[]) {
  if (userIds.length === 0) return;
  const statuses = await ask("subscribe_online_status", { userIds });
  if (!statuses) return;
  learn(statuses);
  store();
  // The others have their turn below.
  await Promise.all(userIds.slice(0, maxRefreshedAtOnce).map(refresh));
}

export async function unwatch(userId: string) {
  state.people.delete(userId);
  store();
  change();
  await ask("unsubscribe_online_status", { userIds: [userId] });
}

/** Watches belong to the connection: a new one has none. */
export const watchAgain = () => watch(stored());

/** The reply comes as an event, too, and is learned by that. */
const refresh = (userId: string) => ask("get_online_status", { userId });

/**
 * Changes are pushed; the number of devices is not. While somebody looks, one person at a time is asked
 * for, which also shows how long a round trip takes.
 */
export function refreshWhileVisible() {
  let turn = 0;
  setInterval(() => {
    if (document.hidden || state.status !== "connected" || !state.me) return;
    const ids = state.people.size > 0 ? [...state.people.keys()] : [state.me.userId];
    turn = (turn + 1) % ids.length;
    void refresh(ids[turn] ?? state.me.userId);
  }, refreshEveryMs);
}
