// The page's entire state. Views read it and actions change it; each change renders the page again.

import type {
  BulkMessageSent,
  Campaign,
  CampaignResults,
  Conversation,
  Message,
} from "switchboard-events";

/** The signed-in user according to the token. The server verifies it and may have a different role. */
export interface Me {
  token: string;
  userId: string;
  role: string | null;
}

export interface Person {
  userId: string;
  isOnline: boolean;
  lastSeen: string | null;
  /** Null until a status of this user alone arrives: statuses of several users do not contain it. */
  connectionCount: number | null;
}

/** The open conversation with its messages, oldest first. */
export interface Thread {
  conversationId: string;
  messages: Message[];
  /** The cursor of the next older page; null if there is none. */
  older: string | null;
  isLoaded: boolean;
}

/** Returns a conversation that is open and not loaded yet. */
export const emptyThread = (conversationId: string): Thread => ({
  conversationId,
  messages: [],
  older: null,
  isLoaded: false,
});

/** An unsent message. Fields that its form does not have are empty. */
export interface Draft {
  receivers: string;
  picked: string[];
  file: ReceiverFile | null;
  jobId: string;
  text: string;
  /** The server accepts a message with the same key only once. */
  idempotencyKey: string;
  /** The campaign that sends it, once an attempt to send it has created one. */
  campaignId: string | null;
}

/** A file of receivers that was added to a message. */
export interface ReceiverFile {
  name: string;
  receiverIds: string[];
}

/** An entry of the event log. */
export interface Packet {
  id: number;
  at: number;
  direction: "in" | "out";
  /** `event`, `ack`, `connect`, `ping`, ... */
  kind: string;
  /** The name of an event, `#id` for an ack, otherwise empty. */
  name: string;
  /** The data as JSON, or as raw text if it is not a Socket.IO packet. */
  body: string;
}

/** The last attempt to copy a packet, and whether the browser allowed it. */
export interface Copy {
  packetId: number;
  isDone: boolean;
}

export interface Sample {
  at: number;
  ms: number;
}

/** The last message to many. */
export interface Bulk {
  total: number;
  /** The result of a bulk send. */
  result: BulkMessageSent | null;
  /** How many receivers its campaign has been given, all of them once it has started; null if it is a bulk send. */
  added: number | null;
}

/** What became of a campaign's receivers, as far as it was loaded. */
export interface Outcomes extends Pick<CampaignResults, "campaignId" | "results" | "errors"> {
  /** The cursor of the next page; null if there is none. */
  more: string | null;
}

/** Pushes to this browser. */
export interface Pushes {
  /** The server's key; null if it sends none, or if that is not known yet. */
  publicKey: string | null;
  /** Where they go; null if they are off. */
  endpoint: string | null;
  /** Why they cannot be turned on. */
  obstacle: string | null;
  /** Whether they are being turned on. */
  isBusy: boolean;
}

export type Status = "signed out" | "connecting" | "connected" | "disconnected";

export interface State {
  me: Me | null;
  /** The user that a link would sign in instead. */
  offered: Me | null;
  status: Status;
  /** How a lost connection is restored: automatically, by the user, or with another token. */
  reconnection: "automatic" | "manual" | "needs token";
  /** The reason for the disconnect, or the last error. */
  problem: string | null;
  transport: string | null;
  sid: string | null;
  recovered: boolean | null;
  samples: Sample[];
  people: Map<string, Person>;
  /** The user whose presence changed last. */
  news: Person | null;
  conversations: Map<string, Conversation>;
  moreConversations: string | null;
  /** How many messages the user has not read, in all conversations. */
  unread: number;
  thread: Thread | null;
  /** Users who can be picked as receivers, in the order in which the page learned of them. */
  acquaintances: Set<string>;
  /** By conversation id or form. */
  drafts: Map<string, Draft>;
  /** Drafts that are being sent. */
  sending: Map<string, Draft>;
  /** Ids of own messages that a device of the receiver has confirmed. */
  delivered: Set<string>;
  /** Conversations in which the peer is typing, with the timers that end the indication. */
  typing: Map<string, ReturnType<typeof setTimeout>>;
  bulk: Bulk;
  campaigns: Map<string, Campaign>;
  moreCampaigns: string | null;
  /** The results that are shown, of one campaign at a time. */
  outcomes: Outcomes | null;
  pushes: Pushes;
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
  unread: 0,
  thread: null,
  acquaintances: new Set(),
  drafts: new Map(),
  sending: new Map(),
  delivered: new Set(),
  typing: new Map(),
  bulk: { total: 0, result: null, added: null },
  campaigns: new Map(),
  moreCampaigns: null,
  outcomes: null,
  pushes: { publicKey: null, endpoint: null, obstacle: null, isBusy: false },
  packets: [],
  filter: "",
  showsHeartbeat: false,
  copy: null,
});

export const state: State = initial();

export const isConnected = () => state.status === "connected";

/** A token without a role may, as far as the page knows: the server decides by the role in its database. */
export const maySendToMany = ({ role }: Me) => role !== "customer";

let draw = () => {};
let isDue = false;

/** Calls `listener` after changes; changes made in one task result in a single call. */
export function onChange(listener: () => void) {
  draw = listener;
}

/** Applies changes to the state and schedules a render. */
export function change(changes: Partial<State> = {}) {
  Object.assign(state, changes);
  if (isDue) return;
  isDue = true;
  queueMicrotask(() => {
    isDue = false;
    draw();
  });
}
