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
  isLoaded: boolean;
}

/** What is being written; of a form that has no such field it is empty. */
export interface Draft {
  receivers: string;
  picked: string[];
  jobId: string;
  text: string;
  /** With the same key the server takes it once, however often it is sent. */
  idempotencyKey: string;
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

/** A packet that was to be copied, and whether the browser did. */
export interface Copy {
  packetId: number;
  isDone: boolean;
}

export interface Sample {
  at: number;
  ms: number;
}

export interface Bulk {
  total: number;
  result: BulkMessageSent | null;
}

export type Status = "signed out" | "connecting" | "connected" | "disconnected";

export interface State {
  me: Me | null;
  /** Whom a link would sign in instead. */
  offered: Me | null;
  status: Status;
  /** How a lost connection comes back: by itself, when asked to, or with another token. */
  reconnection: "automatic" | "manual" | "needs token";
  /** Why there is no connection, or what went wrong last. */
  problem: string | null;
  transport: string | null;
  sid: string | null;
  recovered: boolean | null;
  samples: Sample[];
  people: Map<string, Person>;
  /** Who came or went last. */
  news: Person | null;
  conversations: Map<string, Conversation>;
  moreConversations: string | null;
  thread: Thread | null;
  /** Everyone who may be picked as a receiver, in the order in which they turned up. */
  acquaintances: Set<string>;
  /** By conversation, or by form. */
  drafts: Map<string, Draft>;
  /** Those that are under way. */
  sending: Map<string, Draft>;
  /** Ids of own messages that a device of the receiver took. */
  delivered: Set<string>;
  /** Conversations whose other side is typing, and the timers that forget it. */
  typing: Map<string, ReturnType<typeof setTimeout>>;
  bulk: Bulk;
  packets: Packet[];
  filter: string;
  showsHeartbeat: boolean;
  copy: Copy | null;
}

export const initial = (): State => ({
  me: null,
  offered: null,
  status: "signed out",
  reconnection: "automatic",
  problem: null,
  transport: null,
  sid: null,
  recovered: null,
  samples: [],
  people: new Map(),
  news: null,
  conversations: new Map(),
  moreConversations: null,
  thread: null,
  acquaintances: new Set(),
  drafts: new Map(),
  sending: new Map(),
  delivered: new Set(),
  typing: new Map(),
  bulk: { total: 0, result: null },
  packets: [],
  filter: "",
  showsHeartbeat: false,
  copy: null,
});

export const state: State = initial();

export const isConnected = () => state.status === "connected";

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
