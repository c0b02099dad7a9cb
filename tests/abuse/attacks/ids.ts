// Requests of a client that has joined, with ids that do not exist or are not its own.

import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

import { joinedSocket, openSocket, settled, someUser } from "../target.ts";
import type { Attack } from "../target.ts";

const events = [
  () => ["send_message", { receiverId: "nobody", messageType: "text", content: { text: "x" } }],
  () => ["send_message", { conversationId: randomUUID(), messageType: "text", content: {} }],
  () => ["send_bulk_message", { receiverIds: ["nobody"], messageType: "text", content: {} }],
  () => ["get_messages", { conversationId: randomUUID() }],
  () => ["get_messages", { conversationId: "' OR 1=1 --", before: "x" }],
  () => ["mark_as_read", { conversationId: randomUUID() }],
  () => ["join_conversation", { conversationId: "x".repeat(10_000) }],
  () => ["typing_start", { conversationId: randomUUID() }],
  () => ["block_user", { userId: "" }],
  () => ["get_bulk_online_status", { userIds: "everybody" }],
  () => ["constructor", {}],
];

/** Requests what does not exist. */
export const inventedIds: Attack = async (target) => {
  const socket = await joinedSocket(target);
  if (!socket) return;
  events.forEach((event, id) => socket.send(`42${id}${JSON.stringify(event())}`));
  await pause(500);
  socket.terminate();
};

/** Recovers a session that never was. */
export const inventedRecovery: Attack = async (target) => {
  const socket = await openSocket(target);
  if (!socket) return;
  const auth = { token: target.token(someUser()), pid: randomUUID(), offset: "99999999999999999" };
  socket.send(`40${JSON.stringify(auth)}`);
  await settled(socket, "message");
  socket.terminate();
};
