// Who is signed in.

import { connect } from "./connection.ts";
import { forget, keep, restored } from "./kept.ts";
import { useSocket } from "./requests.ts";
import { change, initial, state } from "./store.ts";
import type { Me } from "./store.ts";

const storageKey = "switchboard.token";
const notAToken = "That is not a token: it has three parts, with dots between.";

/** Reads what a token says of its bearer; whether it is good is the server's to say. */
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

/** The token of a link (`#token=...`), which then disappears from the address. */
function linkedToken(): string | null {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) history.replaceState(null, "", location.pathname);
  return token;
}

/** Signs in who was here before the reload. */
export function signInAgain() {
  const token = sessionStorage.getItem(storageKey);
  if (token) signIn(token);
}

/** Signs in whom a link is for; in place of somebody else only if they agree. */
export function signInByLink() {
  const token = linkedToken();
  if (!token) return;
  const offered = readToken(token);
  const isOther = offered && state.me && state.me.userId !== offered.userId;
  if (isOther) change({ offered });
  else signIn(token);
}

export function signIn(text: string) {
  const me = readToken(text.trim());
  if (!me) return change({ problem: notAToken });
  keep();
  sessionStorage.setItem(storageKey, me.token);
  useSocket(null);
  change({ ...initial(), ...restored(me.userId), me, status: "connecting" });
  connect(me);
}

/** Asks for another token. What the user was about is there when they come back. */
export function dropToken() {
  keep();
  sessionStorage.removeItem(storageKey);
  useSocket(null);
  change(initial());
}

export function signOut() {
  dropToken();
  forget();
}
