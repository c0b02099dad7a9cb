// State that must survive a reload of the tab and that the server does not have.

import { unsent } from "./drafts.ts";
import { emptyThread, state } from "./store.ts";
import type { State } from "./store.ts";

const storageKey = "switchboard.kept";
const maxDelivered = 1_000;

/** Saves the state to session storage. */
export function keep() {
  if (!state.me) return;
  const kept = {
    userId: state.me.userId,
    conversationId: state.thread?.conversationId ?? null,
    drafts: [...unsent()],
    delivered: [...state.delivered].slice(-maxDelivered),
  };
  sessionStorage.setItem(storageKey, JSON.stringify(kept));
}

export const forget = () => sessionStorage.removeItem(storageKey);

/** Returns the state saved for this user, or nothing if another user saved it. */
export function restored(userId: string): Partial<State> {
  const kept = JSON.parse(sessionStorage.getItem(storageKey) ?? "null");
  if (kept?.userId !== userId) return {};
  const { conversationId } = kept;
  return {
    thread: conversationId && emptyThread(conversationId),
    drafts: new Map(kept.drafts),
    delivered: new Set(kept.delivered),
  };
}
