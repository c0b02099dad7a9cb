// Signs users in and out.

import { connect } from "./connection.ts";
import { forget, keep, restored } from "./kept.ts";
import { turnOff } from "./push.ts";
import { useSocket } from "./requests.ts";
import { change, emptyThread, initial, state } from "./store.ts";
import type { Me, State } from "./store.ts";

const storageKey = "switchboard.token";
const notAToken = "That is not a token: it has three parts, with dots between.";

/** Reads the user id and role from a token. Only the server verifies the token. */
function readToken(token: string): Me | null {
  try {
    const base64 = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const { sub, role } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof sub === "string" ? { token, userId: sub, role: role ?? null } : null;
  } catch {
    return null;
  }
}

/** Returns a value in the link (`#name=...`) and removes it from the address bar. */
function linked(name: string): string | null {
  const value = new URLSearchParams(location.hash.slice(1)).get(name);
  if (value) history.replaceState(null, "", location.pathname);
  return value;
}

/** The conversation of a notification that opened the page; it is shown to the next user who signs in. */
let linkedConversation = linked("conversation");

/** Returns the linked conversation as the open one, once. */
function linkedThread(): Partial<State> {
  const conversationId = linkedConversation;
  linkedConversation = null;
  return conversationId ? { thread: emptyThread(conversationId) } : {};
}

/** Signs the user in again after a reload. */
export function signInAgain() {
  const token = sessionStorage.getItem(storageKey);
  if (token) signIn(token);
}

/** Signs in with the token of a link; asks first if that would replace another user. */
export function signInByLink() {
  const token = linked("token");
  if (!token) return;
  const offered = readToken(token);
  const isOther = offered && state.me && state.me.userId !== offered.userId;
  if (isOther) change({ offered });
  else signIn(token);
}

export function signIn(text: string) {
  const me = readToken(text.trim());
  if (!me) return change({ problem: notAToken });
  // Another user's pushes end here, as when they sign out.
  if (state.me && state.me.userId !== me.userId) turnOff();
  keep();
  sessionStorage.setItem(storageKey, me.token);
  useSocket(null);
  change({ ...initial(), ...restored(me.userId), ...linkedThread(), me, status: "connecting" });
  connect(me);
}

/** Drops the token and shows the sign-in form. The user's drafts are kept for the next sign-in. */
export function dropToken() {
  keep();
  sessionStorage.removeItem(storageKey);
  useSocket(null);
  change(initial());
}

export function signOut() {
  turnOff();
  dropToken();
  forget();
}
