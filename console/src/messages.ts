// Conversations and their messages: loading, sending, what was delivered and read, who is typing.

import type { Message, MessageRead, SendMessage, SwitchboardSocket } from "switchboard-events";

import { ask } from "./requests.ts";
import { change, state } from "./store.ts";

/** A `typing_stop` may get lost. */
const typingLastsMs = 6_000;
/** Who goes on typing says so again. */
const typingAgainMs = 3_000;
const conversationPage = 30;
const messagePage = 50;

const forgetting = new Map<string, ReturnType<typeof setTimeout>>();

export function listen(socket: SwitchboardSocket) {
  socket.on("new_message", (message) => take(message));
  socket.on("message_delivered", ({ messageId }) => {
    state.delivered.add(messageId);
    change();
  });
  socket.on("message_read", onRead);
  socket.on("user_typing", ({ conversationId, isTyping }) => showTyping(conversationId, isTyping));
}

/** Loads the newest conversations, and the open one anew. */
export async function load() {
  const page = await ask("get_conversations", { limit: conversationPage });
  if (!page) return;
  change({ conversations: page.items, moreConversations: page.nextCursor });
  if (state.thread) await open(state.thread.conversationId);
}

export async function loadMore() {
  const cursor = state.moreConversations;
  const page = await ask("get_conversations", { limit: conversationPage, cursor });
  if (!page) return;
  const known = new Set(state.conversations.map((known) => known.conversationId));
  const news = page.items.filter(({ conversationId }) => !known.has(conversationId));
  change({ conversations: [...state.conversations, ...news], moreConversations: page.nextCursor });
}

export async function open(conversationId: string) {
  const page = await ask("get_messages", { conversationId, limit: messagePage });
  if (!page) return;
  const messages = page.items.toReversed();
  change({ thread: { conversationId, messages, older: page.nextCursor } });
  await markRead();
}

export async function loadOlder() {
  const { thread } = state;
  if (!thread) return;
  const { conversationId, older: before } = thread;
  const page = await ask("get_messages", { conversationId, before, limit: messagePage });
  // Meanwhile another conversation may have been opened, or a message have come.
  if (!page || state.thread?.conversationId !== conversationId) return;
  const messages = [...page.items.toReversed(), ...state.thread.messages];
  change({ thread: { conversationId, messages, older: page.nextCursor } });
}

/** Shows a message, once, however often it comes. */
function take(message: Message) {
  const { conversationId, messageId } = message;
  showTyping(conversationId, false);
  addToThread(message);
  const known = state.conversations.find((known) => known.conversationId === conversationId);
  // A new conversation has two names to it that only the server knows.
  if (!known) return void load();
  if (known.lastMessage.messageId >= messageId) return;
  const isMine = message.senderId === state.me?.userId;
  const unreadCount = known.unreadCount + (isMine ? 0 : 1);
  const updated = { ...known, lastMessage: message, unreadCount, updatedAt: message.timestamp };
  change({ conversations: [updated, ...state.conversations.filter((other) => other !== known)] });
  void markRead();
}

/** Ids are in the order in which messages were accepted; what came last may have been accepted before. */
function addToThread(message: Message) {
  const { thread } = state;
  const { conversationId, messageId } = message;
  if (thread?.conversationId !== conversationId) return;
  if (thread.messages.some((known) => known.messageId === messageId)) return;
  const messages = [...thread.messages, message];
  messages.sort((one, other) => (one.messageId < other.messageId ? -1 : 1));
  change({ thread: { ...thread, messages } });
}

/** Marks the open conversation as read, if somebody looks at it. */
export async function markRead() {
  const { thread } = state;
  const last = thread?.messages.findLast(({ senderId }) => senderId !== state.me?.userId);
  const known = state.conversations.find(
    (known) => known.conversationId === thread?.conversationId,
  );
  if (!last || !known?.unreadCount || document.hidden) return;
  const { conversationId, messageId: upTo } = last;
  await ask("mark_as_read", { conversationId, upTo });
}

function onRead(read: MessageRead) {
  const upTo = "upTo" in read ? read.upTo : read.messageIds.toSorted().at(-1);
  if (!upTo) return;
  const conversations = state.conversations.map((known) => {
    if (known.conversationId !== read.conversationId) return known;
    const participants = known.participants.map((participant) => {
      const isReader = participant.id === read.readBy && (participant.readUpTo ?? "") < upTo;
      return isReader ? { ...participant, readUpTo: upTo } : participant;
    });
    const isAll = read.readBy === state.me?.userId && known.lastMessage.messageId <= upTo;
    return { ...known, participants, unreadCount: isAll ? 0 : known.unreadCount };
  });
  change({ conversations });
}

function showTyping(conversationId: string, isTyping: boolean) {
  clearTimeout(forgetting.get(conversationId));
  if (isTyping) {
    state.typing.add(conversationId);
    const forget = () => showTyping(conversationId, false);
    forgetting.set(conversationId, setTimeout(forget, typingLastsMs));
  } else state.typing.delete(conversationId);
  change();
}

let typedAt = 0;

/** Tells the other side, seldom enough. */
export function typing(conversationId: string) {
  if (Date.now() - typedAt < typingAgainMs) return;
  typedAt = Date.now();
  void ask("typing_start", { conversationId });
}

export function stoppedTyping(conversationId: string) {
  if (typedAt === 0) return;
  typedAt = 0;
  void ask("typing_stop", { conversationId });
}

type To = { receiverId: string } | { conversationId: string };

/** Sends a text: whether it is stored. */
export async function send(to: To, text: string): Promise<boolean> {
  typedAt = 0;
  const message: SendMessage = {
    ...to,
    messageType: "text",
    content: { text },
    idempotencyKey: crypto.randomUUID(),
  };
  const sent = await ask("send_message", message);
  if (!sent) return false;
  // What was sent comes to the sender's other devices only.
  await load();
  if (state.thread?.conversationId !== sent.conversationId) await open(sent.conversationId);
  return true;
}
