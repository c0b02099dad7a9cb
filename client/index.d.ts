// Made from the Rust payload types by `npm run contract`: change those.

import type { Socket } from "socket.io-client";

/** What a client listens to. */
export interface ServerToClientEvents {
  /** What became of a bulk message, for every device of the sender: results are stored and will arrive. */
  bulk_message_sent: (payload: BulkMessageSent) => void;
  /** The presence of users, in the order of the request. */
  bulk_online_status: (payload: OnlineStatuses) => void;
  /** How a campaign stands. */
  campaign: (payload: Campaign) => void;
  /** Answers create_campaign. */
  campaign_created: (payload: CampaignCreated) => void;
  /** A campaign was finished or cancelled: for every device of the contractor. */
  campaign_finished: (payload: Campaign, offset: string) => void;
  /** How a campaign stands, for every device of the contractor: while it runs, at most once a second. */
  campaign_progress: (payload: Campaign) => void;
  /** Answers add_campaign_receivers. */
  campaign_receivers_added: (payload: CampaignReceiversAdded) => void;
  /** What became of some receivers of a campaign. */
  campaign_results: (payload: CampaignResults) => void;
  /** A page of campaigns. */
  campaigns: (payload: Campaigns) => void;
  /** A page of conversations. */
  conversations: (payload: Conversations) => void;
  /** An event was refused or failed, or the connection's token has expired. */
  error: (payload: ErrorReport) => void;
  /** Answers join_conversation. */
  joined_conversation: (payload: ConversationNamed) => void;
  /** Answers leave_conversation. */
  left_conversation: (payload: ConversationNamed) => void;
  /** A device of the receiver took a message of send_message. */
  message_delivered: (payload: MessageDelivered, offset: string) => void;
  /** Messages were read: for both sides' devices. */
  message_read: (payload: MessageRead, offset?: string) => void;
  /** A message is stored and will arrive. */
  message_sent: (payload: MessageSent) => void;
  /** A page of messages. */
  messages: (payload: Messages) => void;
  /** A message, for every device of the receiver; of send_message, for the sender's other devices, too. */
  new_message: (payload: Message, offset: string) => void;
  /** The presence of users who are watched from now on. */
  online_status_subscribed: (payload: OnlineStatuses) => void;
  /** These users are no longer watched. */
  online_status_unsubscribed: (payload: OnlineStatusUnsubscribed) => void;
  /** The user's preferences: asked for, or because another device or the marketplace has changed them. */
  preferences: (payload: Preferences) => void;
  /** With which key a browser subscribes to pushes. */
  push_key: (payload: PushKey) => void;
  /** Answers subscribe_push. */
  push_subscribed: (payload: PushEndpoint) => void;
  /** Answers unsubscribe_push. */
  push_unsubscribed: (payload: PushEndpoint) => void;
  /** How much the user has received and not read: asked for by get_unread_total, or because it has changed, at most once a second. */
  unread_total: (payload: UnreadTotal) => void;
  /** Answers block_user. */
  user_blocked: (payload: UserBlocked) => void;
  /** A user's presence: asked for by get_online_status, or because a user who is watched came or went. */
  user_online_status: (payload: UserOnlineStatus) => void;
  /** The other side began or stopped typing. To be forgotten after 6 seconds. */
  user_typing: (payload: UserTyping) => void;
  /** Answers unblock_user. */
  user_unblocked: (payload: UserBlocked) => void;
}

/** What a client emits. Each request may be followed by an ack. */
export interface ClientToServerEvents {
  /** Adds receivers to a campaign that has not been started. A part that is added again replaces itself. */
  add_campaign_receivers: (payload: AddCampaignReceivers, ack: Ack<CampaignReceiversAdded>) => void;
  /** From now on this user's messages are refused. */
  block_user: (payload: UserRef, ack: Ack<UserBlocked>) => void;
  /** Ends a campaign. The chunk in progress is completed. */
  cancel_campaign: (payload: CampaignRef, ack: Ack<Campaign>) => void;
  /** Begins a campaign: a message to more users than a bulk message may have. Contractors only. */
  create_campaign: (payload: CreateCampaign, ack: Ack<CampaignCreated>) => void;
  /** Who of many users is online. */
  get_bulk_online_status: (payload: UserRefs, ack: Ack<OnlineStatuses>) => void;
  /** How a campaign stands. */
  get_campaign: (payload: CampaignRef, ack: Ack<Campaign>) => void;
  /** A page of what became of a campaign's receivers. */
  get_campaign_results: (payload: GetCampaignResults, ack: Ack<CampaignResults>) => void;
  /** A page of the contractor's campaigns, newest first. */
  get_campaigns: (payload: GetCampaigns, ack: Ack<Campaigns>) => void;
  /** A page of the user's conversations, newest first. */
  get_conversations: (payload: GetConversations, ack: Ack<Conversations>) => void;
  /** A page of a conversation's messages. */
  get_messages: (payload: GetMessages, ack: Ack<Messages>) => void;
  /** Whether a user is online, since when not, and on how many connections. */
  get_online_status: (payload: UserRef, ack: Ack<UserOnlineStatus>) => void;
  /** The user's preferences. */
  get_preferences: (payload: GetPreferences, ack: Ack<Preferences>) => void;
  /** With which key a browser subscribes to pushes. */
  get_push_key: (payload: GetPushKey, ack: Ack<PushKey>) => void;
  /** How much the user has received and not read. */
  get_unread_total: (payload: GetUnreadTotal, ack: Ack<UnreadTotal>) => void;
  /** For clients of older servers: a user's devices get everything anyway. */
  join_conversation: (payload: ConversationRef, ack: Ack<ConversationNamed>) => void;
  /** For clients of older servers: a user's devices get everything anyway. */
  leave_conversation: (payload: ConversationRef, ack: Ack<ConversationNamed>) => void;
  /** Marks messages as read, and all that were before them. */
  mark_as_read: (payload: MarkAsRead, ack: Ack<MessageRead>) => void;
  /** Stops a campaign until it is resumed. The chunk in progress is completed. */
  pause_campaign: (payload: CampaignRef, ack: Ack<Campaign>) => void;
  /** Goes on with a campaign that is paused. */
  resume_campaign: (payload: CampaignRef, ack: Ack<Campaign>) => void;
  /** Sends a message to many users. Contractors only. */
  send_bulk_message: (payload: SendBulkMessage, ack: Ack<BulkMessageSent>) => void;
  /** Sends a message to one user: into a conversation, or to a user, with whom a conversation is begun if there is none. */
  send_message: (payload: SendMessage, ack: Ack<MessageSent>) => void;
  /** Changes the user's preferences. What is not given stays as it is. */
  set_preferences: (payload: SetPreferences, ack: Ack<Preferences>) => void;
  /** Starts a campaign, now or at its time. */
  start_campaign: (payload: CampaignRef, ack: Ack<Campaign>) => void;
  /** As get_bulk_online_status, and from then on user_online_status whenever one of them comes or goes. */
  subscribe_online_status: (payload: UserRefs, ack: Ack<OnlineStatuses>) => void;
  /** From now on, this browser is told of messages that reach no device of the user, or stay unread. */
  subscribe_push: (payload: SubscribePush, ack: Ack<PushEndpoint>) => void;
  /** Shows the other side that the user is typing. */
  typing_start: (payload: ConversationRef, ack: Ack<ConversationNamed>) => void;
  /** Shows the other side that the user is no longer typing. */
  typing_stop: (payload: ConversationRef, ack: Ack<ConversationNamed>) => void;
  /** This user may write again. */
  unblock_user: (payload: UserRef, ack: Ack<UserBlocked>) => void;
  /** Ends watching these users. */
  unsubscribe_online_status: (payload: UserRefs, ack: Ack<OnlineStatusUnsubscribed>) => void;
  /** This browser gets no more pushes. */
  unsubscribe_push: (payload: UnsubscribePush, ack: Ack<PushEndpoint>) => void;
}

/** A part of a campaign's receivers. */
export type AddCampaignReceivers = {
  /** The campaign. */
  campaignId: string;
} & {
  /** The number of the part. A part that is added again replaces itself. */
  part: number;

  /**
   * The receivers. A repeated id counts once.
   *
   * @minItems 1
   */
  receiverIds: string[];
};

/**
 * Whom a preference admits. A contact of a user is somebody with whom they have a conversation, and in which they have
 * written.
 */
export type Audience = "everyone" | "contacts" | "nobody";

/** What a campaign is doing. */
export type CampaignState = "draft" | "scheduled" | "running" | "paused" | "finished" | "cancelled";

/** A message. */
export type Message = {
  /** Its conversation. */
  conversationId: string;

  /** The job that it is about. */
  jobId: string | null;

  /** The message. Ids are in the order in which messages were accepted. */
  messageId: string;

  /** Whom it is for. */
  receiverId: string;

  /** Who wrote it. */
  sender: User;

  /** Who wrote it. */
  senderId: string;

  /** When it was accepted: ISO 8601, UTC. */
  timestamp: string;
} & (
  | {
      content: TextContent;
      messageType: "text";
    }
  | {
      content: FileContent;
      messageType: "image";
    }
  | {
      content: FileContent;
      messageType: "file";
    }
);

/** A message to more users than a bulk message may have. */
export type CreateCampaign = {
  /** What to call it. */
  name?: string | null;

  /** When to start it, at most 90 days ahead; if it is not given, start_campaign starts it at once. */
  sendAt?: string | null;
} & {
  /** A repeat with the same key within 24 hours returns the first result and stores nothing. */
  idempotencyKey?: string | null;

  /** The job that it is about. */
  jobId?: string | null;
} & (
    | {
        content: TextContent;
        messageType: "text";
      }
    | {
        content: FileContent;
        messageType: "image";
      }
    | {
        content: FileContent;
        messageType: "file";
      }
  );

/** The stable, machine-readable part of an error. */
export type ErrorCode =
  | "invalid_payload"
  | "unknown_event"
  | "forbidden"
  | "not_found"
  | "too_many"
  | "rate_limited"
  | "conflict"
  | "idempotency_conflict"
  | "token_expired"
  | "unavailable"
  | "internal";

/** Which page of results. */
export type GetCampaignResults = {
  /** The campaign. */
  campaignId: string;
} & {
  /** The `nextCursor` of the page before. */
  cursor?: string | null;
};

/** What was read. Whatever is before it is read, too. */
export type MarkAsRead = {
  /** The conversation. */
  conversationId: string;
} & (
  | {
      messageIds: string[];
    }
  | {
      upTo: string;
    }
);

/** Messages were read. */
export type MessageRead = {
  /** In which conversation. */
  conversationId: string;

  /** Who read it. */
  readBy: string;
} & (
  | {
      messageIds: string[];
    }
  | {
      upTo: string;
    }
);

/** Which messages come with a notice. */
export type Notices = "all" | "direct" | "none";

/** A message to many users. */
export type SendBulkMessage = {
  /**
   * The receivers. A repeated id counts once.
   *
   * @minItems 1
   */
  receiverIds: string[];
} & {
  /** A repeat with the same key within 24 hours returns the first result and stores nothing. */
  idempotencyKey?: string | null;

  /** The job that it is about. */
  jobId?: string | null;
} & (
    | {
        content: TextContent;
        messageType: "text";
      }
    | {
        content: FileContent;
        messageType: "image";
      }
    | {
        content: FileContent;
        messageType: "file";
      }
  );

/** A message to one user. */
export type SendMessage = (
  | {
      conversationId: string;
    }
  | {
      receiverId: string;
    }
) & {
  /** A repeat with the same key within 24 hours returns the first result and stores nothing. */
  idempotencyKey?: string | null;

  /** The job that it is about. */
  jobId?: string | null;
} & (
    | {
        content: TextContent;
        messageType: "text";
      }
    | {
        content: FileContent;
        messageType: "image";
      }
    | {
        content: FileContent;
        messageType: "file";
      }
  );

/** A receiver who gets nothing. */
export interface BulkError {
  /** Why, for a person. */
  error: string;

  /** The receiver. */
  receiverId: string;
}

/** What became of a bulk message. */
export interface BulkMessageSent {
  /** In the order of the receivers. */
  errors: BulkError[];

  /** In the order of the receivers. */
  results: BulkResult[];

  /** How many errors there are. */
  totalFailed: number;

  /** How many results there are. */
  totalSent: number;
}

/** A receiver whose copy is in the record. */
export interface BulkResult {
  /** Their conversation with the sender. */
  conversationId: string;

  /** Whether a device of theirs was there to take it, and the sender may see that. */
  delivered: boolean;

  /** Whether it is held until they connect again: too many contractors have written to them for the first time today. */
  held?: boolean;

  /** Their copy. */
  messageId: string;

  /** The receiver. */
  receiverId: string;

  /** That it is stored and will arrive. */
  success: true;
}

/** How a campaign stands. */
export interface Campaign {
  /** The campaign. */
  campaignId: string;

  /** When it was created: ISO 8601, UTC. */
  createdAt: string;

  /** Receivers with a device that took the message at once. */
  delivered: number;

  /** Receivers who get nothing. */
  failed: number;

  /** When it was finished or cancelled: ISO 8601, UTC. */
  finishedAt: string | null;

  /** What the contractor calls it. */
  name: string | null;

  /** Why it is paused or has to wait, for a person, if the contractor is not the reason. */
  reason: string | null;

  /** When it starts by itself: ISO 8601, UTC. */
  sendAt: string | null;

  /** Receivers whose copy is stored and will arrive. */
  sent: number;

  /** When it started: ISO 8601, UTC. */
  startedAt: string | null;

  /** What it is doing. */
  state: CampaignState;

  /** How many receivers it has. In a draft, a receiver of two parts counts twice. */
  total: number;
}

/** The campaign that was created. */
export interface CampaignCreated {
  /** Its id. */
  campaignId: string;
}

/** The receivers that a campaign has now. */
export interface CampaignReceiversAdded {
  /** The campaign. */
  campaignId: string;

  /** The part that was added. */
  part: number;

  /** How many receivers all parts have together. A receiver of two parts counts twice. */
  total: number;
}

/** A payload that names a campaign. */
export interface CampaignRef {
  /** The campaign. */
  campaignId: string;
}

/** What became of some receivers of a campaign. */
export interface CampaignResults {
  /** The campaign. */
  campaignId: string;

  /** The receivers who get nothing, as in a bulk send. */
  errors: BulkError[];

  /** The `cursor` of the next page; null if there are no further results by now. */
  nextCursor: string | null;

  /** The receivers whose copy is stored, as in a bulk send. */
  results: BulkResult[];
}

/** A page of campaigns. */
export interface Campaigns {
  /** Newest first. */
  items: Campaign[];

  /** The `cursor` of the next page; null on the last one. */
  nextCursor: string | null;
}

/** A conversation. */
export interface Conversation {
  /** Its id. */
  conversationId: string;

  /** The job that was mentioned last, if any. */
  jobId: string | null;

  /** The newest message. */
  lastMessage: Message;

  /** Both users. */
  participants: Participant[];

  /** How many messages the user has not read. */
  unreadCount: number;

  /** When the newest message was accepted: ISO 8601, UTC. */
  updatedAt: string;
}

/** Who wrote a message. */
export interface User {
  /** The picture. */
  avatarUrl: string | null;

  /** The user. */
  id: string;

  /** The display name. */
  name: string | null;
}

/** The content of a text. */
export interface TextContent {
  /** At most MAX_TEXT_CHARS characters. */
  text: string;
}

/** The content of an image or a file. */
export interface FileContent {
  /** What it is called. */
  fileName?: string | null;

  /** How many bytes it has. */
  fileSize?: number | null;

  /** Where it is: an https URL, or http on localhost. A message from before this rule may have any text. */
  fileUrl: string;
}

/** A participant. */
export interface Participant {
  /** The picture. */
  avatarUrl: string | null;

  /** The user. */
  id: string;

  /** The display name. */
  name: string | null;

  /** The last message that they have read, if any. */
  readUpTo: string | null;
}

/** What was joined, left or typed into. */
export interface ConversationNamed {
  /** The conversation. */
  conversationId: string;
}

/** A payload that names a conversation. */
export interface ConversationRef {
  /** The conversation. */
  conversationId: string;
}

/** A page of conversations. */
export interface Conversations {
  /** Newest first. */
  items: Conversation[];

  /** The `cursor` of the next page; null on the last one. */
  nextCursor: string | null;
}

/** An event was refused or failed. */
export interface ErrorReport {
  /** What kind of error it is. */
  code: ErrorCode;

  /** The event that failed; null if the error is about the connection. */
  event: string | null;

  /** What is wrong, for a person. */
  message: string;

  /** With `rate_limited`: when to try again, in milliseconds from now. */
  retryAfterMs?: number | null;
}

/** An event that was refused or failed. */
export interface EventError {
  /** What kind of error it is. */
  code: ErrorCode;

  /** What is wrong, for a person. */
  message: string;

  /** With `rate_limited`: when to try again, in milliseconds from now. */
  retryAfterMs?: number | null;
}

/** Which page of campaigns. */
export interface GetCampaigns {
  /** The `nextCursor` of the page before. */
  cursor?: string | null;

  /** How many campaigns at most: 50 unless given. */
  limit?: number | null;
}

/** Which page of conversations. */
export interface GetConversations {
  /** The `nextCursor` of the page before. */
  cursor?: string | null;

  /** How many conversations at most: 50 unless given. */
  limit?: number | null;
}

/** Which page of a conversation's messages. */
export interface GetMessages {
  /** Only messages after the one with this id. */
  after?: string | null;

  /** Only messages before the one with this id. */
  before?: string | null;

  /** The conversation. */
  conversationId: string;

  /** How many messages at most: 50 unless given. */
  limit?: number | null;
}

/** The request has no fields. */
export interface GetPreferences {}

/** The request has no fields. */
export interface GetPushKey {}

/** The request has no fields. */
export interface GetUnreadTotal {}

/** A device of the receiver took a message. */
export interface MessageDelivered {
  /** In which conversation. */
  conversationId: string;

  /** Which message. */
  messageId: string;

  /** Whose device took it. */
  receiverId: string;
}

/** A message was accepted: it is stored and will arrive. */
export interface MessageSent {
  /** Its conversation. */
  conversationId: string;

  /**
   * Whether it is held until the receiver connects again: too many contractors have written to them for the first time
   * today.
   */
  held?: boolean;

  /** The message. */
  messageId: string;

  /** When it was accepted: ISO 8601, UTC. */
  timestamp: string;
}

/** A page of messages. */
export interface Messages {
  /** Newest first; with only an `after`, oldest first. */
  items: Message[];

  /**
   * The `before` (or, of a request with only an `after`, the `after`) of the next page; null on
   * the last one.
   */
  nextCursor: string | null;
}

/** A user's presence, as others are told it. */
export interface OnlineStatus {
  /** Whether a connection of theirs is live. */
  isOnline: boolean;

  /** ISO 8601, UTC; null for a user who was never here. */
  lastSeen: string | null;
}

/** Who is no longer watched. */
export interface OnlineStatusUnsubscribed {
  /** The users. */
  userIds: string[];
}

/** Each user's status under their id. */
export interface OnlineStatuses {
  [k: string]: OnlineStatus;
}

/** The preferences of a user. */
export interface Preferences {
  /** Whose bulk messages and campaigns the user takes. */
  bulkMessages: Audience;

  /** Which messages come with a notice. */
  notices: Notices;

  /** Who sees whether the user is online. */
  presence: Audience;

  /** When there are no notices; null if there is no such time. */
  quietHours: QuietHours | null;
}

/** When the user wants no notices, in local time. The hours may span midnight. */
export interface QuietHours {
  /** When they begin: `HH:MM`. */
  from: string;

  /** A time zone of the IANA database, such as `Europe/Berlin`. */
  timeZone: string;

  /** When they end: `HH:MM`. */
  to: string;
}

/** Which subscription was stored or deleted. */
export interface PushEndpoint {
  /** The subscription's endpoint. */
  endpoint: string;
}

/** The key with which browsers subscribe. */
export interface PushKey {
  /** For `applicationServerKey`, in base64url; null if the server sends no pushes. */
  publicKey: string | null;
}

/** What pushes are encrypted for. */
export interface PushKeys {
  /** The browser's secret: 16 bytes in base64url. */
  auth: string;

  /** The browser's public key: 65 bytes in base64url. */
  p256dh: string;
}

/** The ack of an event that was refused or failed. */
export interface Refusal {
  /** What went wrong. */
  error: EventError;
}

/** What is to be changed. What is not given stays as it is. */
export interface SetPreferences {
  /** Whose bulk messages and campaigns the user takes. */
  bulkMessages?: Audience | null;

  /** Which messages come with a notice. */
  notices?: Notices | null;

  /** Who sees whether the user is online. */
  presence?: Audience | null;

  /** When there are no notices; null deletes them. */
  quietHours?: QuietHours | null;
}

/** A browser's subscription. */
export interface SubscribePush {
  /** Where pushes go: an https URL of a push service that the server allows. */
  endpoint: string;

  /** What pushes are encrypted for. */
  keys: PushKeys;
}

/** How much the user has received and not read. */
export interface UnreadTotal {
  /** In how many conversations. */
  conversations: number;

  /** How many messages. A conversation counts for at most 1000, as in `unreadCount`. */
  messages: number;
}

/** Which subscription to end. */
export interface UnsubscribePush {
  /** The subscription's endpoint. */
  endpoint: string;
}

/** Who was blocked or unblocked. */
export interface UserBlocked {
  /** The user. */
  userId: string;
}

/** A user's presence. */
export interface UserOnlineStatus {
  /** How many connections of theirs are live. */
  connectionCount: number;

  /** Whether a connection of theirs is live. */
  isOnline: boolean;

  /** ISO 8601, UTC; null for a user who was never here. */
  lastSeen: string | null;

  /** The user. */
  userId: string;
}

/** A payload that names a user. */
export interface UserRef {
  /** The user. */
  userId: string;
}

/** A payload that names users. */
export interface UserRefs {
  /**
   * The users. A repeated id counts once.
   *
   * @minItems 1
   */
  userIds: string[];
}

/** The other side began or stopped typing. */
export interface UserTyping {
  /** Where. */
  conversationId: string;

  /** Whether they have begun, or stopped. */
  isTyping: boolean;

  /** Who. */
  userId: string;
}

/** What an ack gets: the payload of the reply event, or what went wrong. */
export type Ack<Reply> = (reply: Reply | Refusal) => void;

/** The name of a request event. */
export type RequestName = keyof ClientToServerEvents;

/** The payload of a request event. */
export type PayloadOf<Name extends RequestName> = Parameters<ClientToServerEvents[Name]>[0];

/** The payload of a request's reply event, and of its ack. */
export type ReplyOf<Name extends RequestName> = Exclude<
  Parameters<Parameters<ClientToServerEvents[Name]>[1]>[0],
  Refusal
>;

/**
 * A socket of Switchboard. As `Socket<ServerToClientEvents, ClientToServerEvents>`, and a request may
 * be emitted without an ack, too.
 */
export type SwitchboardSocket = Socket<ServerToClientEvents, ClientToServerEvents> & {
  emit<Name extends RequestName>(event: Name, payload: PayloadOf<Name>): SwitchboardSocket;
  emit(
    event:
      | "get_campaigns"
      | "get_conversations"
      | "get_preferences"
      | "get_push_key"
      | "get_unread_total",
  ): SwitchboardSocket;
};
