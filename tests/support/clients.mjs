// The real socket.io-client, as the tests use it.

import { setTimeout as pause } from "node:timers/promises";
import { io } from "socket.io-client";

/** The three transport settings that a client may have. */
export const transportSettings = {
  default: {},
  "websocket only": { transports: ["websocket"] },
  "polling only": { transports: ["polling"] },
};

const open = new Set();

/**
 * A client of `userId` that is connected. `claims` go into its token; `events` are all that it has
 * got, `texts` those of the messages.
 */
export async function connect(server, userId, { claims, ...options } = {}) {
  const socket = io(server.url, {
    auth: { token: server.token(userId, claims) },
    reconnection: false,
    forceNew: true,
    ...options,
  });
  open.add(socket);
  // From the start: what was missed comes right behind the CONNECT's reply.
  socket.events = [];
  socket.onAny((name, payload) => socket.events.push([name, payload]));
  socket.texts = [];
  socket.on("new_message", ({ content }) => socket.texts.push(content.text));
  await new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
  });
  return socket;
}

export const contractor = (server, userId = "contractor1") =>
  connect(server, userId, { claims: { role: "contractor", name: "Contractor One" } });

/** Closes every client that a test has left open. */
export function closeAll() {
  for (const socket of open) socket.close();
  open.clear();
}

/** The arguments of the next event. */
export const next = (socket, event) =>
  new Promise((resolve) => socket.once(event, (...args) => resolve(args)));

/** Emits a request with an ack: the ack's payload. */
export const request = (socket, event, payload) =>
  socket.timeout(10_000).emitWithAck(event, payload);

export const statusOf = (socket, userId) => request(socket, "get_online_status", { userId });

export const sendText = (socket, receiverIds, text, more = {}) =>
  request(socket, "send_bulk_message", {
    receiverIds,
    messageType: "text",
    content: { text },
    ...more,
  });

/** Sends a direct message; `to` is { receiverId } or { conversationId }. */
export const sendTo = (socket, to, text, more = {}) =>
  request(socket, "send_message", { ...to, messageType: "text", content: { text }, ...more });

/** Every event of these names that the socket gets from now on: [name, payload], in order. */
export function record(socket, ...names) {
  const events = [];
  for (const name of names) socket.on(name, (payload) => events.push([name, payload]));
  return events;
}

/** Polls until it is so; for what has no event. */
export async function until(isSo, what, timeoutMs = 10_000) {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const result = await isSo();
    if (result) return result;
    if (Date.now() > deadline) throw new Error(`in vain for ${timeoutMs} ms: ${what}`);
    await pause(20);
  }
}

/** Moves on when a default client has upgraded. */
export async function upgraded(socket) {
  const { engine } = socket.io;
  if (engine.transport.name === "websocket") return;
  await new Promise((resolve) => engine.once("upgrade", resolve));
}
