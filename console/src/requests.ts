// Asking the server.

import type { Socket } from "socket.io-client";
import type {
  PayloadOf,
  Refusal,
  ReplyOf,
  RequestName,
  SwitchboardSocket,
} from "switchboard-events";

import { change, state } from "./store.ts";

const askTimeoutMs = 30_000;
const maxSamples = 60;

let current: SwitchboardSocket | null = null;

/** From now on this socket is asked. */
export function useSocket(socket: SwitchboardSocket | null) {
  current?.close();
  current = socket;
}

/** Emits a request: the reply, or null if it was refused, which the page then shows. */
export async function ask<Name extends RequestName>(
  event: Name,
  payload: PayloadOf<Name>,
): Promise<ReplyOf<Name> | null> {
  // Generic over the name, this is more than the types of Socket.IO can follow.
  const untyped = current as unknown as Socket | null;
  if (!untyped?.connected) return null;
  const begin = performance.now();
  try {
    const reply = await untyped.timeout(askTimeoutMs).emitWithAck(event, payload);
    sample(performance.now() - begin);
    // An error has come as an event, too, and is shown by that.
    return isRefusal(reply) ? null : reply;
  } catch {
    change({ problem: `${event}: no answer` });
    return null;
  }
}

function isRefusal(reply: object): reply is Refusal {
  return "error" in reply && typeof (reply as Refusal).error.code === "string";
}

/** Every answer tells how long a round trip takes; bulk sends take as long as they take. */
function sample(ms: number) {
  change({ samples: [...state.samples, { at: Date.now(), ms }].slice(-maxSamples) });
}
