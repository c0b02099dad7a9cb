// Sends and receives messages, and tracks their delivery and read status.

import type { Conversation, Message, MessageSent, SwitchboardSocket } from "switchboard-events";

import { addToList, load, showRead } from "./conversations.ts";
import { ask } from "./requests.ts";
import { change, state } from "./store.ts";
import type { Draft } from "./store.ts";
import { addToThread, markRead, open } from "./thread.ts";
import { sentWhatWasTyped, showTyping } from "./typing.ts";

export function listen(socket: SwitchboardSocket) {
  socket.on("new_message", (message) => take(message));
  socket.on("message_delivered", ({ messageId }) => {
    state.delivered.add(messageId);
    change();
  });
  socket.on("message_read", showRead);
  socket.on("user_typing", ({ conversationId, isTyping }) => showTyping(conversationId, isTyping));
}

function take(message: Message) {
  if (message.senderId !== state.me?.userId) showTyping(message.conversationId, false);
  addToThread(message);
  addToList(message);
  void markRead();
}

type To = { receiverId: string } | { conversationId: string };

/** Sends a text message. Returns whether it was stored. */
export async function send(to: To, { text, idempotencyKey }: Draft): Promise<boolean> {
  sentWhatWasTyped();
  const content = { text: text.trim() };
  const sent = await ask("send_message", { ...to, messageType: "text", content, idempotencyKey });
  if (!sent) return false;
  // The server pushes the message only to the sender's other devices.
  const known = state.conversations.get(sent.conversationId);
  if (known) take(written(known, sent, content));
  else await load();
  if (state.thread?.conversationId !== sent.conversationId) void open(sent.conversationId);
  return true;
}

function written(
  { participants }: Conversation,
  sent: MessageSent,
  content: { text: string },
): Message {
  const [me, peer] = participants.toSorted(({ id }) => (id === state.me?.userId ? -1 : 1));
  if (!me || !peer) throw new Error("a conversation has two participants");
  const { id: senderId } = me;
  const { id: receiverId } = peer;
  return { ...sent, senderId, sender: me, receiverId, messageType: "text", content, jobId: null };
}
