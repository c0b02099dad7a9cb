// Sends requests to the server.

import type { Socket } from "socket.io-client";
import type {
  PayloadOf,
  Refusal,
  ReplyOf,
  RequestName,
  SwitchboardSocket,
} from "switchboard-events";

import { change } from "./store.ts";

const askTimeoutMs = 30_000;

let current: SwitchboardSocket | null = null;

/** Closes the current socket; requests now use this one. */
export function useSocket(socket: SwitchboardSocket | null) {
  current?.close();
  current = socket;
}

/** Emits a request. Returns the reply, or null after an error, which the page then shows. */
export async function ask<Name extends RequestName>(
  event: Name,
  payload: PayloadOf<Name>,
): Promise<ReplyOf<Name> | null> {
  const reply = await attempt(event, payload);
  return reply && isRefusal(reply) ? null : reply;
}

/** Emits a request. Returns the reply, the server's refusal, or null if there is no answer. */
export async function attempt<Name extends RequestName>(
  event: Name,
  payload: PayloadOf<Name>,
): Promise<ReplyOf<Name> | Refusal | null> {
  const asked = current;
  if (!asked?.connected) return fail("Not connected");
  // The types of Socket.IO cannot express an emit that is generic over the event name.
  const untyped = asked as unknown as Socket;
  try {
    const reply = await untyped.timeout(askTimeoutMs).emitWithAck(event, payload);
    // An error also arrives as an event, whose listener shows it.
    return asked === current ? reply : null;
  } catch {
    // A user who has signed out no longer needs the error; after a disconnect, the page shows the reason for it.
    return asked === current && asked.connected ? fail(`${event}: no answer`) : null;
  }
}

function fail(problem: string) {
  change({ problem });
  return null;
}

export function isRefusal(reply: object): reply is Refusal {
  return "error" in reply && typeof (reply as Refusal).error.code === "string";
}

/** Reconnects: the library does not do so itself after the server has ended the connection. */
export function connectAgain() {
  change({ status: "connecting", problem: null });
  current?.connect();
}
