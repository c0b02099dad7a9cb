// What the page knows, in one place. Views read it, actions change it; a change draws the page anew.

import type { BulkMessageSent, Conversation, Message } from "switchboard-events";

/** Who is signed in, as their token says. The server checks it, and may know another role. */
export interface Me {
  token: string;
  userId: string;
  role: string | null;
}

export interface Person {
  userId: string;
  isOnline: boolean;
  lastSeen: string | null;
  /** Unknown until asked for by itself. */
  connectionCount: number | null;
}

/** A conversation that is shown: its messages, oldest first. */
export interface Thread {
  conversationId: string;
  messages: Message[];
  /** Where older ones begin, if there are any. */
  older: string | null;
}

/** A packet of the connection. */
export interface Packet {
  id: number;
  at: number;
  direction: "in" | "out";
  /** `event`, `ack`, `connect`, `ping`, ... */
  kind: string;
  /** Of events their name. */
  name: string;
  /** What it carries, as JSON or as it is. */
  body: string;
}

export interface Sample {
  at: number;
  ms: number;
}

export interface Bulk {
  isSending: boolean;
  total: number;
  result: BulkMessageSent | null;
}

export type Status = "signed out" | "connecting" | "connected" | "disconnected";

export interface State {
  me: Me | null;
  status: Status;
  /** Why there is no connection, or what went wrong last. */
  problem: string | null;
  transport: string | null;
  sid: string | null;
  recovered: boolean;
  samples: Sample[];
  people: Map<string, Person>;
  conversations: Conversation[];
  moreConversations: string | null;
  thread: Thread | null;
  /** Ids of own messages that a device of the receiver took. */
  delivered: Set<string>;
  /** Conversations whose other side is typing. */
  typing: Set<string>;
  bulk: Bulk;
  packets: Packet[];
  filter: string;
  showsHeartbeat: boolean;
}

export const initial = (): State => ({
  me: null,
  status: "signed out",
  problem: null,
  transport: null,
  sid: null,
  recovered: false,
  samples: [],
  people: new Map(),
  conversations: [],
  moreConversations: null,
  thread: null,
  delivered: new Set(),
  typing: new Set(),
  bulk: { isSending: false, total: 0, result: null },
  packets: [],
  filter: "",
  showsHeartbeat: false,
});

export const state: State = initial();

let draw = () => {};
let isDue = false;

/** Calls `listener` after changes, once however many there were. */
export function onChange(listener: () => void) {
  draw = listener;
}

/** Changes the state. */
export function change(changes: Partial<State> = {}) {
  Object.assign(state, changes);
  if (isDue) return;
  isDue = true;
  queueMicrotask(() => {
    isDue = false;
    draw();
  });
}
