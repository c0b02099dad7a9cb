// The list of conversations. Replies and pushes may arrive in any order, so newer data is never overwritten.

import type { Conversation, Message, MessageRead } from "switchboard-events";

import { ask } from "./requests.ts";
import { change, state } from "./store.ts";

const pageSize = 30;

export const peerOf = ({ participants }: Conversation) =>
  participants.find(({ id }) => id !== state.me?.userId) ?? participants[0];

/** Returns the id of the last message that a user has read, or "". */
const markOf = ({ participants }: Conversation, userId: string) =>
  participants.find(({ id }) => id === userId)?.readUpTo ?? "";

export const ownMark = (conversation: Conversation) => markOf(conversation, state.me?.userId ?? "");

export const newestFirst = (): Conversation[] =>
  [...state.conversations.values()].sort((one, other) =>
    one.lastMessage.messageId < other.lastMessage.messageId ? 1 : -1,
  );

function merged(known: Conversation, item: Conversation): Conversation {
  const isNewer = known.lastMessage.messageId > item.lastMessage.messageId;
  const isReadFurther = ownMark(known) > ownMark(item);
  const participants = item.participants.map((participant) => {
    const mark = markOf(known, participant.id);
    return mark > (participant.readUpTo ?? "") ? { ...participant, readUpTo: mark } : participant;
  });
  const { unreadCount } = isNewer || isReadFurther ? known : item;
  return { ...(isNewer ? known : item), participants, unreadCount };
}

function takeAll(items: Conversation[]) {
  for (const item of items) {
    const known = state.conversations.get(item.conversationId);
    state.conversations.set(item.conversationId, known ? merged(known, item) : item);
    for (const { id } of item.participants) state.acquaintances.add(id);
  }
  change();
}

/** Loads the newest conversations. Returns whether that succeeded. */
export async function load(): Promise<boolean> {
  const page = await ask("get_conversations", { limit: pageSize });
  if (!page) return false;
  const oldest = page.items.at(-1)?.conversationId ?? "";
  // If the page overlaps the known conversations, the cursor after the oldest of those remains valid.
  if (!state.conversations.has(oldest)) state.moreConversations = page.nextCursor;
  takeAll(page.items);
  return true;
}

export async function loadMore(): Promise<boolean> {
  const cursor = state.moreConversations;
  const page = await ask("get_conversations", { limit: pageSize, cursor });
  if (!page) return false;
  state.moreConversations = page.nextCursor;
  takeAll(page.items);
  return true;
}

/** Loads more pages until this conversation is in the list. */
export async function loadUntil(conversationId: string) {
  while (!state.conversations.has(conversationId) && state.moreConversations) {
    if (!(await loadMore())) return;
  }
}

/** Makes this the newest message of its conversation, unless there is a newer one. */
export function addToList(message: Message) {
  const { conversationId, messageId, timestamp } = message;
  const known = state.conversations.get(conversationId);
  // Only the server knows the participants' names, so a new conversation must be loaded.
  if (!known) return void load();
  if (known.lastMessage.messageId >= messageId) return;
  const isMine = message.senderId === state.me?.userId;
  const unreadCount = known.unreadCount + (isMine ? 0 : 1);
  const updated = { ...known, lastMessage: message, unreadCount, updatedAt: timestamp };
  state.conversations.set(conversationId, updated);
  change();
}

/** Whether every known message from the peer is read if the user has read up to `upTo`. */
function isAllRead({ conversationId, lastMessage }: Conversation, upTo: string) {
  const { thread } = state;
  const shown = thread?.conversationId === conversationId ? thread.messages : [];
  return [lastMessage, ...shown].every(
    ({ senderId, messageId }) => senderId === state.me?.userId || messageId <= upTo,
  );
}

export function showRead(read: MessageRead) {
  const upTo = "upTo" in read ? read.upTo : read.messageIds.toSorted().at(-1);
  const known = state.conversations.get(read.conversationId);
  if (!known || !upTo) return;
  const participants = known.participants.map((participant) => {
    const isReader = participant.id === read.readBy && (participant.readUpTo ?? "") < upTo;
    return isReader ? { ...participant, readUpTo: upTo } : participant;
  });
  const isRead = read.readBy === state.me?.userId && isAllRead(known, upTo);
  const unreadCount = isRead ? 0 : known.unreadCount;
  state.conversations.set(read.conversationId, { ...known, participants, unreadCount });
  change();
}
