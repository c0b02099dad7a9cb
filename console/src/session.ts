// Signing in, and the connection.

import { io } from "socket.io-client";
import type { SwitchboardSocket } from "switchboard-events";

import * as messages from "./messages.ts";
import { listen } from "./packets.ts";
import * as people from "./people.ts";
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
export function linkedToken(): string | null {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) history.replaceState(null, "", location.pathname);
  return token;
}

/** The token of this tab, which a reload leaves as it is. */
export const rememberedToken = () => sessionStorage.getItem(storageKey);

export function signIn(text: string) {
  const me = readToken(text.trim());
  if (!me) return change({ problem: notAToken });
  sessionStorage.setItem(storageKey, me.token);
  useSocket(null);
  change({ ...initial(), me, status: "connecting" });
  connect(me);
}

export function signOut() {
  sessionStorage.removeItem(storageKey);
  useSocket(null);
  change(initial());
}

function connect({ token }: Me) {
  const opened: SwitchboardSocket = io({ auth: { token } });
  useSocket(opened);
  listen(opened.io);
  opened.on("connect", () => {
    const { id, recovered } = opened;
    const transport = opened.io.engine.transport.name;
    change({ status: "connected", problem: null, sid: id ?? null, recovered, transport });
    // What was missed has come if the connection was recovered, and so have the watches.
    if (recovered) return;
    void people.watchAgain();
    void messages.load();
  });
  opened.on("connect_error", (error) => {
    const { code } = (error as { data?: { code?: string } }).data ?? {};
    change({
      status: "disconnected",
      problem: code ? `${error.message} (${code})` : error.message,
    });
  });
  opened.on("disconnect", (reason) => {
    change({
      status: "disconnected",
      sid: null,
      transport: null,
      problem: `Disconnected: ${reason}`,
    });
  });
  opened.on("error", ({ code, message, event }) => {
    change({ problem: `${event ? `${event}: ` : ""}${message} (${code})` });
  });
  people.listen(opened);
  messages.listen(opened);
}
