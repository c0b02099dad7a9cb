// The open conversation: its messages and read status.

import type { Message, Messages } from "switchboard-events";

import { loadUntil, ownMark, showRead } from "./conversations.ts";
import { ask } from "./requests.ts";
import { change, emptyThread, isConnected, state } from "./store.ts";
import type { Thread } from "./store.ts";

const pageSize = 50;

/** Removes duplicates and sorts by id: the order in which messages were accepted, not received. */
function inOrder(messages: Message[]): Message[] {
  const each = new Map(messages.map((message) => [message.messageId, message]));
  return [...each.values()].sort((one, other) => (one.messageId < other.messageId ? -1 : 1));
}

/** Adds the newest page. If it does not overlap the known messages, drops those: some between are missing. */
function withNewest(thread: Thread, { items, nextCursor }: Messages): Thread {
  const oldest = items.at(-1)?.messageId ?? "";
  const isUnbroken = thread.messages.some(({ messageId }) => messageId === oldest);
  const known = thread.messages.filter(({ messageId }) => isUnbroken || messageId > oldest);
  const older = isUnbroken ? thread.older : nextCursor;
  return { ...thread, messages: inOrder([...known, ...items]), older, isLoaded: true };
}

export async function open(conversationId: string) {
  if (state.thread?.conversationId !== conversationId) {
    change({ thread: emptyThread(conversationId) });
  }
  await refresh();
}

/** Loads the newest messages. Returns whether that succeeded. */
export async function refresh(): Promise<boolean> {
  if (!state.thread) return true;
  const { conversationId } = state.thread;
  const page = await ask("get_messages", { conversationId, limit: pageSize });
  if (!page) return false;
  await loadUntil(conversationId);
  // Meanwhile another conversation may have been opened.
  if (state.thread?.conversationId !== conversationId) return true;
  change({ thread: withNewest(state.thread, page) });
  void markRead();
  return true;
}

export async function loadOlder() {
  if (!state.thread) return;
  const { conversationId, older: before } = state.thread;
  const page = await ask("get_messages", { conversationId, before, limit: pageSize });
  if (!page || state.thread?.conversationId !== conversationId) return;
  const messages = inOrder([...page.items, ...state.thread.messages]);
  change({ thread: { ...state.thread, messages, older: page.nextCursor } });
}

/** Adds a message to the open conversation; a repeated message is shown once. */
export function addToThread(message: Message) {
  const { thread } = state;
  if (thread?.conversationId !== message.conversationId) return;
  change({ thread: { ...thread, messages: inOrder([...thread.messages, message]) } });
}

/** Marks the open conversation as read if the page is visible. */
export async function markRead() {
  const { thread } = state;
  const known = thread && state.conversations.get(thread.conversationId);
  const last = thread?.messages.findLast(({ senderId }) => senderId !== state.me?.userId);
  if (!last || !known || document.hidden || !isConnected()) return;
  const { conversationId, messageId: upTo } = last;
  if (upTo <= ownMark(known)) return;
  const read = await ask("mark_as_read", { conversationId, upTo });
  if (read) showRead(read);
}
