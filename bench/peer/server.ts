// The peer: the same events on Node.js with socket.io and PostgreSQL, as one would write them for one server.
// It keeps the same promises: stored before the reply, and sent to an offline receiver with their connect.
// Presence is in memory. The target in bench/targets/peer.ts starts this as a child process.

import type { AddressInfo } from "node:net";
import { createServer } from "node:http";
import pg from "pg";
import { Server } from "socket.io";
import type { Socket } from "socket.io";

import { conversationId, messageIds, verify } from "../floor/ids.js";

const { DATABASE_URL, JWT_SECRET, PING_INTERVAL_MS, PING_TIMEOUT_MS, SCHEMA } = process.env;

const TABLES = `
CREATE TABLE users (
  user_id    text PRIMARY KEY,
  role       text NOT NULL DEFAULT 'customer',
  name       text,
  avatar_url text,
  created_at bigint NOT NULL,
  last_seen  bigint,
  confirmed  text NOT NULL DEFAULT ''
);
CREATE TABLE conversations (
  conversation_id text PRIMARY KEY,
  user_a          text NOT NULL,
  user_b          text NOT NULL,
  job_id          text,
  last_message_id text NOT NULL,
  created_at      bigint NOT NULL,
  updated_at      bigint NOT NULL
);
CREATE TABLE messages (
  message_id      text PRIMARY KEY,
  conversation_id text NOT NULL REFERENCES conversations,
  sender_id       text NOT NULL,
  receiver_id     text NOT NULL,
  message_type    text NOT NULL,
  content         json NOT NULL,
  job_id          text,
  created_at      bigint NOT NULL
);
CREATE INDEX messages_by_receiver ON messages (receiver_id, message_id);
`;

/** One statement, and so one transaction. */
const STORE = `
WITH targets AS (
  SELECT t.* FROM unnest($1::text[], $2::text[], $3::text[]) AS t(r, c, m)
  JOIN users ON user_id = t.r
), added AS (
  INSERT INTO conversations
    (conversation_id, user_a, user_b, job_id, last_message_id, created_at, updated_at)
  SELECT c, least(r, $4), greatest(r, $4), $5, m, $6, $6 FROM targets
  ON CONFLICT (conversation_id) DO UPDATE
    SET last_message_id = excluded.last_message_id, updated_at = excluded.updated_at
)
INSERT INTO messages
  (message_id, conversation_id, sender_id, receiver_id, message_type, content, job_id, created_at)
SELECT m, c, $4, r, 'text', $7, $5, $6 FROM targets
RETURNING receiver_id`;

const MISSED = `
SELECT m.*, u.name, u.avatar_url FROM messages m JOIN users u ON u.user_id = m.sender_id
WHERE m.receiver_id = $1 AND m.message_id > $2 ORDER BY m.message_id`;

interface Target {
  r: string;
  c: string;
  m: string;
}

interface Payload {
  messageId: string;
  [field: string]: unknown;
}

/** A user who is or was connected. */
interface User {
  sockets: Map<Socket, Payload[] | null>;
  lastSeen: number | null;
  /** The newest message that was sent to one of the sockets. */
  newest: string;
}

const pool = new pg.Pool({
  connectionString: DATABASE_URL,
  options: `-c search_path=${SCHEMA}`,
  max: 10,
});
const users = new Map<string, User>();
const roles = new Map<string, string>();

const iso = (time: number | null) => (time === null ? null : new Date(time).toISOString());

function userOf(id: string) {
  const user = users.get(id) ?? { sockets: new Map(), lastSeen: null, newest: "" };
  users.set(id, user);
  return user;
}

/** Sends a message to a user's sockets. One that is still connecting gets it after what it has missed. */
function deliver(userId: string, payload: Payload, except?: Socket) {
  const user = users.get(userId);
  for (const [socket, held] of user?.sockets ?? []) {
    if (socket === except) continue;
    if (held) held.push(payload);
    else emit(socket, payload);
  }
  return (user?.sockets.size ?? 0) > 0;
}

function emit(socket: Socket, payload: Payload) {
  const user = userOf(socket.data.user.id);
  if (payload.messageId > user.newest) user.newest = payload.messageId;
  socket.emit("new_message", payload, payload.messageId);
}

/** Adds the user's row with their first connect. */
async function record(socket: Socket) {
  const { id, role, name } = socket.data.user;
  const { rows } = await pool.query(
    `INSERT INTO users (user_id, role, name, created_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (user_id) DO UPDATE SET last_seen = excluded.created_at
     RETURNING role, confirmed`,
    [id, role, name, Date.now()],
  );
  roles.set(id, rows[0].role);
  socket.data.confirmed = rows[0].confirmed;
}

/** Sends what the user has missed. */
async function enter(socket: Socket) {
  const { id } = socket.data.user;
  const user = userOf(id);
  user.sockets.set(socket, []);
  user.lastSeen = Date.now();
  const { rows } = await pool.query(MISSED, [id, socket.data.confirmed]);
  const missed = rows.map(payloadOfRow);
  const ids = new Set(missed.map(({ messageId }) => messageId));
  const held = user.sockets.get(socket) ?? [];
  if (socket.connected) user.sockets.set(socket, null);
  for (const payload of missed) emit(socket, payload);
  for (const payload of held) if (!ids.has(payload.messageId)) emit(socket, payload);
}

async function leave(socket: Socket) {
  const { id } = socket.data.user;
  const user = userOf(id);
  user.sockets.delete(socket);
  user.lastSeen = Date.now();
  if (user.sockets.size > 0) return;
  const sql =
    "UPDATE users SET last_seen = $2, confirmed = greatest(confirmed, $3) WHERE user_id = $1";
  await pool.query(sql, [id, user.lastSeen, user.newest]);
}

function payloadOfRow(row: any): Payload {
  const sender = { id: row.sender_id, name: row.name, avatarUrl: row.avatar_url };
  const target = { r: row.receiver_id, c: row.conversation_id, m: row.message_id };
  return payloadOf(sender, target, row.content, row.job_id, Number(row.created_at));
}

function payloadOf(
  sender: { id: string },
  { r, c, m }: Target,
  content: unknown,
  jobId: string | null,
  createdAt: number,
): Payload {
  return {
    messageId: m,
    conversationId: c,
    senderId: sender.id,
    sender,
    receiverId: r,
    messageType: "text",
    content,
    jobId,
    timestamp: iso(createdAt),
  };
}

async function send(socket: Socket, receiverIds: string[], { content, jobId = null }: any) {
  const { id, name } = socket.data.user;
  const now = Date.now();
  const messageId = messageIds(now);
  const targets: Target[] = await Promise.all(
    receiverIds.map(async (r, index) => ({
      r,
      c: await conversationId(id, r),
      m: messageId(index),
    })),
  );
  const { rows } = await pool.query(STORE, [
    targets.map(({ r }) => r),
    targets.map(({ c }) => c),
    targets.map(({ m }) => m),
    id,
    jobId,
    now,
    JSON.stringify(content),
  ]);
  const stored = new Set(rows.map(({ receiver_id }) => receiver_id));
  const sender = { id, name, avatarUrl: null };
  const sent = targets
    .filter(({ r }) => stored.has(r))
    .map((target) => {
      const payload = payloadOf(sender, target, content, jobId, now);
      return { target, payload, delivered: deliver(target.r, payload) };
    });
  return { now, sent, refused: targets.filter(({ r }) => !stored.has(r)) };
}

function presence(id: string) {
  const user = users.get(id);
  const connectionCount = user?.sockets.size ?? 0;
  return {
    isOnline: connectionCount > 0,
    lastSeen: iso(user?.lastSeen ?? null),
    connectionCount,
  };
}

type Request = (socket: Socket, payload: any) => Promise<[reply: string, payload: unknown]>;

const requests: Record<string, Request> = {
  async get_online_status(_, { userId }) {
    return ["user_online_status", { userId, ...presence(userId) }];
  },

  async get_bulk_online_status(_, { userIds }) {
    const entries = userIds.map((id: string) => {
      const { isOnline, lastSeen } = presence(id);
      return [id, { isOnline, lastSeen }];
    });
    return ["bulk_online_status", Object.fromEntries(entries)];
  },

  async send_message(socket, payload) {
    const { now, sent } = await send(socket, [payload.receiverId], payload);
    if (sent.length === 0) throw new Error("Receiver not found");
    const [{ target, payload: message }] = sent;
    deliver(socket.data.user.id, message, socket);
    const reply = { messageId: target.m, conversationId: target.c, timestamp: iso(now) };
    return ["message_sent", reply];
  },

  async send_bulk_message(socket, payload) {
    if (roles.get(socket.data.user.id) !== "contractor") throw new Error("Only contractors");
    const { sent, refused } = await send(
      socket,
      [...new Set<string>(payload.receiverIds)],
      payload,
    );
    const results = sent.map(({ target: { r, c, m }, delivered }) => ({
      receiverId: r,
      conversationId: c,
      messageId: m,
      success: true,
      delivered,
    }));
    const errors = refused.map(({ r }) => ({ receiverId: r, error: "Receiver not found" }));
    const [totalSent, totalFailed] = [results.length, errors.length];
    return ["bulk_message_sent", { totalSent, totalFailed, results, errors }];
  },
};

function serve(socket: Socket, event: string, request: Request) {
  // One user's sends run one at a time.
  socket.on(event, async (payload, ack) => {
    const earlier: Promise<unknown> = socket.data.turn ?? Promise.resolve();
    const turn = event.startsWith("send_") ? earlier : Promise.resolve();
    const replied = turn.then(() => request(socket, payload));
    if (event.startsWith("send_")) socket.data.turn = replied.catch(() => {});
    try {
      const [name, reply] = await replied;
      socket.emit(name, reply);
      ack?.(reply);
    } catch (error) {
      ack?.({ error: { code: "internal", message: String(error) } });
    }
  });
}

await pool.query(TABLES);
const http = createServer();
const io = new Server(http, {
  pingInterval: Number(PING_INTERVAL_MS),
  pingTimeout: Number(PING_TIMEOUT_MS),
  serveClient: false,
});
io.use(async (socket, next) => {
  const { auth, query } = socket.handshake;
  try {
    socket.data.user = await verify(auth.token ?? query.token, { JWT_SECRET });
    await record(socket);
    next();
  } catch (error) {
    next(error as Error);
  }
});
io.on("connection", (socket) => {
  for (const [event, request] of Object.entries(requests)) serve(socket, event, request);
  socket.on("disconnect", () => leave(socket).catch(console.error));
  enter(socket).catch(console.error);
});
http.listen(0, "127.0.0.1", () => process.send?.((http.address() as AddressInfo).port));
// The parent is gone.
process.on("disconnect", () => process.exit());
