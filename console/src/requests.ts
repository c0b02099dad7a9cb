// Asking the server.

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

/** From now on this socket is asked. */
export function useSocket(socket: SwitchboardSocket | null) {
  current?.close();
  current = socket;
}

/** Emits a request: the reply, or null if there is none, which the page then says. */
export async function ask<Name extends RequestName>(
  event: Name,
  payload: PayloadOf<Name>,
): Promise<ReplyOf<Name> | null> {
  const asked = current;
  if (!asked?.connected) return fail("Not connected");
  // Generic over the name, this is more than the types of Socket.IO can follow.
  const untyped = asked as unknown as Socket;
  try {
    const reply = await untyped.timeout(askTimeoutMs).emitWithAck(event, payload);
    // An error has come as an event, too, and is shown by that.
    return asked !== current || isRefusal(reply) ? null : reply;
  } catch {
    // Who has signed out does not want to know any more.
    return asked === current ? fail(`${event}: no answer`) : null;
  }
}

function fail(problem: string) {
  change({ problem });
  return null;
}

function isRefusal(reply: object): reply is Refusal {
  return "error" in reply && typeof (reply as Refusal).error.code === "string";
}

/** What the library does not do by itself when the server has ended the connection. */
export function connectAgain() {
  change({ status: "connecting", problem: null });
  current?.connect();
}
