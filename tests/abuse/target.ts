// What an attack needs of the server, and raw connections to it.

import { once } from "node:events";
import { randomInt } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import WebSocket from "ws";

/** The server under attack. */
export interface Target {
  url: string;
  token(userId: string, claims?: object): string;
}

/** One round of an attack. It ends by itself within seconds. */
export type Attack = (target: Target) => Promise<void>;

/**
 * What the attackers have sent so far: requests, those that open a WebSocket included, and frames. A server grows with
 * it, and one that serves less sees less of it: an attack on a session that is refused ends early.
 */
export const traffic = { requests: 0, frames: 0 };

class CountedSocket extends WebSocket {
  override send(...args: unknown[]) {
    traffic.frames++;
    return (super.send as (...args: unknown[]) => void)(...args);
  }
}

/** How long an attack waits for something that a hostile client need not get. */
const PATIENCE_MS = 3_000;

/** How many users the attackers are: each one has an object, whose storage stays. */
const USERS = 20;

export const someUser = () => `attacker${randomInt(USERS)}`;

/** Returns a random address. Half of them are the same one. */
export const someAddress = () =>
  randomInt(2) === 0 ? "203.0.113.7" : `198.51.${randomInt(256)}.${randomInt(256)}`;

export const pick = <T>(...choices: T[]): T => choices[randomInt(choices.length)];

export const socketIo = (target: Target, query: Record<string, string>) =>
  `${target.url}/socket.io/?${new URLSearchParams({ EIO: "4", ...query })}`;

/** Opens a WebSocket. Returns null if the server refuses it. */
export async function openSocket(target: Target, query: Record<string, string> = {}) {
  const url = socketIo(target, { transport: "websocket", ...query }).replace("http", "ws");
  traffic.requests++;
  const socket = new CountedSocket(url, { perMessageDeflate: false });
  socket.on("error", () => {});
  await settled(socket, "open");
  if (socket.readyState === WebSocket.OPEN) return socket;
  socket.terminate();
  return null;
}

/** Opens a WebSocket that has joined, with the token in the URL or in the CONNECT. */
export async function joinedSocket(target: Target, userId = someUser()) {
  const token = target.token(userId);
  const socket = await openSocket(target, pick({ token }, {} as Record<string, string>));
  if (!socket) return null;
  socket.send(`40${JSON.stringify({ token })}`);
  // The handshake, and the reply to the CONNECT.
  await settled(socket, "message");
  return socket;
}

/** Opens a WebSocket that may have joined. */
export const anySocket = (target: Target) =>
  (randomInt(2) === 0 ? openSocket : joinedSocket)(target);

/** Waits for an event, the socket's end, or until patience runs out. */
export async function settled(socket: WebSocket, event: "open" | "message" | "close") {
  const stop = new AbortController();
  const { signal } = stop;
  const ended = once(socket, "close", { signal }).catch(() => {});
  const happened = once(socket, event, { signal }).catch(() => {});
  await Promise.race([ended, happened, pause(PATIENCE_MS, null, { signal }).catch(() => {})]);
  stop.abort();
}

/** Waits until the server has closed the socket, or ends it. */
export async function closed(socket: WebSocket) {
  await settled(socket, "close");
  socket.terminate();
}

/** Sends a request and reads the answer. A refusal in the middle of a body is a broken connection. */
export async function request(url: string, init: RequestInit = {}) {
  traffic.requests++;
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    const response = await fetch(url, { ...init, signal });
    return await response.text();
  } catch {
    return "";
  }
}

/** Opens a polling session, joined or not. Returns its URL, or null if the server refuses it. */
export async function openPolling(target: Target, isJoined: boolean) {
  const text = await request(socketIo(target, { transport: "polling" }));
  if (!text.startsWith("0")) return null;
  const url = socketIo(target, { transport: "polling", sid: JSON.parse(text.slice(1)).sid });
  if (isJoined) {
    const token = target.token(someUser());
    await request(url, { method: "POST", body: `40${JSON.stringify({ token })}` });
    await request(url);
  }
  return url;
}
