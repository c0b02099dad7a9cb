// The floor's User object: the WebSockets of one user and the rows that the product writes for them.
// Whatever is in storage is cached in memory, because the object is its only writer.

import { DurableObject } from "cloudflare:workers";

import { callsOf, serveCall } from "./calls.js";
import { conversationId, messageIds, openPacket, parseEvent, randomId } from "./ids.js";
import * as sql from "./statements.js";

const FANOUT_CONCURRENCY = 50;
const LOG_MAX_EVENTS = 1_000;
/** The most bytes that the last sends to many have. */
const MAX_SENT_BYTES = 512_000;
const COMMIT_DEADLINE_MS = 60_000;
/** How long after a message the object looks for the pong that confirms it. */
const RECEIPT_MS = 2_000;

const iso = (time) => (time === null ? null : new Date(time).toISOString());

export class UserObject extends DurableObject {
  /** The attachment of each socket. */
  #connections = new Map();
  #hasTables = false;
  #state;
  /** The first and the last offset of the log. */
  #ends;
  /** The users whose region was looked up. */
  #known = new Set();
  /** When the alarm is due; undefined until it was read. */
  #alarmAt;
  /** Sends run one at a time. */
  #sends = Promise.resolve();

  constructor(ctx, env) {
    super(ctx, env);
    for (const ws of ctx.getWebSockets()) this.#connections.set(ws, ws.deserializeAttachment());
  }

  fetch(request) {
    if (request.headers.get("Upgrade") !== "websocket") return serveCall(this, request);
    const { sid, isProbe, user, sendOpen } = JSON.parse(request.headers.get("Connection-Info"));
    const [client, ws] = Object.values(new WebSocketPair());
    this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("3", "6"));
    this.ctx.acceptWebSocket(ws);
    this.#keep(ws, { sid, user, isProbe, isJoined: false, openedAt: Date.now() });
    if (sendOpen) ws.send(openPacket(this.env, sid, []));
    return new Response(null, { status: 101, webSocket: client });
  }

  #keep(ws, connection) {
    ws.serializeAttachment(connection);
    this.#connections.set(ws, connection);
  }

  // Frames.

  async webSocketMessage(ws, text) {
    const connection = this.#connections.get(ws);
    if (text.startsWith("42")) return this.#request(ws, connection, parseEvent(text));
    if (text.startsWith("40")) return this.#join(ws, connection);
    if (text === "2probe")
      return (ws.send("3probe"), this.#polling(connection.sid)?.send("!probe"));
    if (text === "5") return this.#upgrade(ws, connection);
    if (text.startsWith("!queue")) return this.#finishUpgrade(ws, connection, text.slice(6));
  }

  async webSocketClose(ws) {
    const { isJoined } = this.#connections.get(ws) ?? {};
    this.#connections.delete(ws);
    ws.close();
    if (isJoined && !this.#isOnline()) await this.#goOffline();
  }

  webSocketError(ws) {
    return this.webSocketClose(ws);
  }

  async #goOffline() {
    const now = Date.now();
    this.#state = { ...this.#stored(), is_online: 0, last_seen: now, confirmed: this.#last() };
    this.#run(sql.SET_OFFLINE, now, this.#last());
    this.#alarmAt = Infinity;
    await this.ctx.storage.deleteAlarm();
  }

  // A connection.

  async #join(ws, connection) {
    const { user } = connection;
    if (!this.#stored().is_recorded) {
      const { id, role, name } = user;
      const add = this.env.DB.prepare(sql.ADD_USER);
      await add.bind(id, role, name, Date.now(), "weur").run();
    }
    const isFirst = !this.#isOnline();
    this.#keep(ws, { ...connection, isJoined: true, joinedAt: Date.now() });
    if (isFirst) {
      const { confirmed } = this.#stored();
      this.#makeTables();
      this.#run(sql.SET_ONLINE, user.id, Date.now());
      this.#state = { is_recorded: 1, is_online: 1, last_seen: Date.now(), confirmed };
    }
    ws.send(`40${JSON.stringify({ sid: connection.sid.slice(0, 20), pid: randomId() })}`);
    for (const { offset, event, payload } of this.#rows(sql.MISSED, this.#stored().confirmed)) {
      ws.send(eventText(event, payload, offset));
    }
    await this.#wakeAt(connection.openedAt + Number(this.env.PING_INTERVAL_MS));
  }

  #joined() {
    return [...this.#connections].filter(([, { isJoined }]) => isJoined);
  }

  #isOnline() {
    return this.#joined().length > 0;
  }

  #sendToAll(text, except) {
    for (const [ws, connection] of this.#joined()) {
      if (ws === except) continue;
      if (connection.held) connection.held.push(text);
      else ws.send(text);
    }
  }

  // The upgrade from polling: the gateway's WebSocket is replaced by the client's. Between `5` and the
  // gateway's queue, what is sent is held.

  #polling(sid) {
    const found = [...this.#connections].find(([, other]) => other.sid === sid && !other.isProbe);
    return found?.[0];
  }

  #upgrade(ws, connection) {
    const polling = this.#polling(connection.sid);
    const { isJoined, joinedAt } = this.#connections.get(polling);
    this.#connections.set(polling, { ...connection, isProbe: false });
    this.#keep(ws, { ...connection, isJoined, joinedAt });
    this.#connections.get(ws).held = [];
    polling.send("!take");
  }

  #finishUpgrade(polling, { sid }, queue) {
    this.#connections.delete(polling);
    polling.close();
    const [ws, { held, ...connection }] = [...this.#connections].find(
      ([, other]) => other.sid === sid,
    );
    this.#keep(ws, { ...connection, isProbe: false });
    for (const text of [...JSON.parse(queue), ...held]) ws.send(text);
  }

  // Requests.

  async #request(ws, { user }, { ack, event, payload }) {
    const [name, reply] = await this.#carryOut(ws, user.id, event, payload);
    const json = JSON.stringify(reply);
    if (name) ws.send(`42["${name}",${json}]`);
    if (ack) ws.send(`43${ack}[${json}]`);
  }

  async #carryOut(ws, userId, event, payload) {
    switch (event) {
      case "get_online_status": {
        const statuses = await this.#presences([payload.userId]);
        return ["user_online_status", { userId: payload.userId, ...statuses[0] }];
      }
      case "get_bulk_online_status": {
        const ids = [...new Set(payload.userIds)];
        const all = await this.#presences(ids);
        const brief = all.map(({ isOnline, lastSeen }) => ({ isOnline, lastSeen }));
        const entries = ids.map((id, index) => [id, brief[index]]);
        return ["bulk_online_status", Object.fromEntries(entries)];
      }
      case "send_message":
        return this.#inTurn(() => this.#send(ws, userId, [payload.receiverId], payload, true));
      case "send_bulk_message": {
        const receiverIds = [...new Set(payload.receiverIds)];
        return this.#inTurn(() => this.#send(ws, userId, receiverIds, payload, false));
      }
      default:
        return ["error", { code: "unknown_event", message: "There is no such event", event }];
    }
  }

  // Presence.

  /** Called by other objects. */
  presence() {
    const connectionCount = this.#joined().length;
    const { last_seen } = this.#stored();
    const times = this.#joined().map(([ws, { joinedAt }]) => {
      const pong = this.ctx.getWebSocketAutoResponseTimestamp(ws);
      return Math.max(joinedAt, pong?.getTime() ?? 0);
    });
    const lastSeen = times.length > 0 ? Math.max(...times) : last_seen;
    return { isOnline: connectionCount > 0, lastSeen: iso(lastSeen), connectionCount };
  }

  async #presences(ids) {
    const regions = await this.#regions(ids);
    const { presence } = callsOf(this.env);
    return each(ids, (id) =>
      id === this.ctx.id.name ? this.presence() : presence(this.#object(id, regions.get(id))),
    );
  }

  /** Looks the region of each user up once, for the call that may create their object. */
  async #regions(ids) {
    const unknown = ids.filter((id) => id !== this.ctx.id.name && !this.#known.has(id));
    if (unknown.length === 0) return new Map();
    for (const id of unknown) this.#known.add(id);
    const query = this.env.DB.prepare(sql.REGIONS).bind(JSON.stringify(unknown));
    const { results } = await query.all();
    return new Map(results.map(({ userId, region }) => [userId, region]));
  }

  #object(id, region) {
    return this.env.USER.getByName(id, region ? { locationHint: region } : undefined);
  }

  // Sends.

  #inTurn(send) {
    const sent = this.#sends.then(send);
    this.#sends = sent.catch(() => {});
    return sent;
  }

  async #send(ws, userId, receiverIds, { content, jobId = null }, isDirect) {
    const now = Date.now();
    const messageId = messageIds(now);
    const sendId = messageId(0);
    const targets = await Promise.all(
      receiverIds.map(async (r, index) => ({
        r,
        c: await conversationId(userId, r),
        m: messageId(index),
      })),
    );
    this.ctx.storage.sql.exec(sql.OUTBOX_TABLE);
    const ids = JSON.stringify(receiverIds);
    this.#run(sql.ADD_TO_OUTBOX, sendId, ids, now + COMMIT_DEADLINE_MS, now, Number(isDirect));
    await this.#wakeAt(now + COMMIT_DEADLINE_MS);

    const send = { sendId, content, jobId, now, isDirect };
    const { sender, outcomes } = await this.#commit(userId, targets, send);
    const stored = targets.filter((_, index) => outcomes[index].stored);
    const refused = targets.filter((_, index) => !outcomes[index].stored);
    this.#makeTables();
    this.#addConversations(stored);
    const letter = {
      sender: { id: userId, name: sender.name, avatarUrl: sender.avatarUrl },
      messageType: "text",
      content,
      jobId,
      createdAt: now,
      wantsReceipt: isDirect,
    };
    if (isDirect && stored.length > 0) this.#keepOwnCopy(ws, letter, stored[0]);

    const deliver = callsOf(this.env).deliveries(JSON.stringify(letter));
    const regions = new Map(outcomes.map(({ receiverId, region }) => [receiverId, region]));
    const delivered = await each(stored, (target) =>
      deliver(this.#object(target.r, regions.get(target.r)), target),
    );
    this.#run(sql.REMOVE_FROM_OUTBOX, sendId);
    return isDirect ? directReply(stored[0], now) : bulkReply(stored, delivered, refused);
  }

  async #commit(userId, targets, { sendId, content, jobId, now, isDirect }) {
    const { DB, REPORT_ROWS } = this.env;
    const json = JSON.stringify(targets);
    const text = JSON.stringify(content);
    const role = isDirect ? null : "contractor";
    const isShared = targets.length > 1;
    const own = isShared ? [null, null] : [text, jobId];
    const shared = DB.prepare(sql.ADD_CONTENT).bind(json, userId, sendId, text, jobId);
    const results = await DB.batch([
      DB.prepare(sql.SENDER).bind(userId),
      DB.prepare(sql.ADD_CONVERSATIONS).bind(json, userId, role, jobId, now),
      DB.prepare(sql.ADD_MESSAGES).bind(json, userId, role, ...own),
      DB.prepare(sql.OUTCOMES).bind(json),
      ...(isShared ? [shared] : []),
    ]);
    if (REPORT_ROWS === "on") {
      const d1RowsWritten = results.reduce((sum, { meta }) => sum + meta.rows_written, 0);
      console.log(JSON.stringify({ what: "send", receivers: targets.length, d1RowsWritten }));
    }
    return { sender: results[0].results[0], outcomes: results[3].results };
  }

  #addConversations(targets) {
    if (targets.length === 1) {
      const [{ c, r, m }] = targets;
      return this.#run(sql.ADD_OWN_CONVERSATION, c, r, m);
    }
    const json = JSON.stringify(targets);
    this.#run(sql.ADD_FIRST_CONTACTS, json);
    this.#run(sql.ADD_SENT, json);
    for (const { sendId } of this.#rows(sql.SURPLUS_SENT, MAX_SENT_BYTES)) {
      this.#run(sql.FOLD_SENT, sendId);
      this.#run(sql.REMOVE_SENT, sendId);
    }
  }

  #keepOwnCopy(ws, letter, target) {
    const payload = payloadOf(letter, target);
    const sid = this.#connections.get(ws)?.sid ?? null;
    const offset = this.#append(target.m, "new_message", payload, sid);
    this.#sendToAll(eventText("new_message", payload, offset), ws);
  }

  // Deliveries.

  /** Called by the sender's object. Returns whether the user is online. */
  deliver(conversationId, messageId, letterJson) {
    const letter = JSON.parse(letterJson);
    const target = { r: this.ctx.id.name, c: conversationId, m: messageId };
    const payload = payloadOf(letter, target);
    const offset = this.#append(messageId, "new_message", payload);
    this.#run(sql.ADD_OWN_CONVERSATION, conversationId, letter.sender.id, messageId);
    this.#sendToAll(eventText("new_message", payload, offset));
    if (letter.wantsReceipt) this.#expectReceipt(letter.sender.id, target, offset);
    return this.#isOnline();
  }

  /** Called by the receiver's object. */
  delivered(payload) {
    const offset = this.#append(`delivered:${randomId()}`, "message_delivered", payload);
    this.#sendToAll(eventText("message_delivered", payload, offset));
    return true;
  }

  #expectReceipt(senderId, { r, c, m }, offset) {
    this.ctx.storage.sql.exec(sql.RECEIPTS_TABLE);
    const payload = JSON.stringify({ messageId: m, conversationId: c, receiverId: r });
    this.#run(sql.ADD_RECEIPT, offset, senderId, payload);
    if (!this.#isOnline()) return;
    for (const [ws, connection] of this.#joined()) this.#ping(ws, connection, offset);
    this.ctx.waitUntil(this.#wakeAt(Date.now() + RECEIPT_MS));
  }

  // The alarm: the heartbeat and the receipts.

  async alarm() {
    this.#alarmAt = Infinity;
    const now = Date.now();
    const interval = Number(this.env.PING_INTERVAL_MS);
    for (const [ws, connection] of this.#joined()) {
      const pong = this.ctx.getWebSocketAutoResponseTimestamp(ws)?.getTime() ?? 0;
      const { pingedAt = 0, openedAt } = connection;
      if (now < (pingedAt || openedAt) + interval) continue;
      if (pingedAt > pong) ws.close();
      else this.#ping(ws, connection);
    }
    await this.#sendReceipts();
    const next = this.#joined().map(
      ([, { pingedAt, openedAt }]) => (pingedAt ?? openedAt) + interval,
    );
    if (next.length > 0) await this.#wakeAt(Math.min(...next));
  }

  #ping(ws, connection, offset) {
    ws.send("2");
    this.#keep(ws, { ...connection, pingedAt: Date.now(), offsetAtPing: offset });
  }

  async #sendReceipts() {
    const answered = this.#joined().filter(([ws, { pingedAt, offsetAtPing }]) => {
      const pong = this.ctx.getWebSocketAutoResponseTimestamp(ws)?.getTime() ?? 0;
      return offsetAtPing && pong >= pingedAt;
    });
    if (answered.length === 0) return;
    const confirmed = Math.max(...answered.map(([, { offsetAtPing }]) => offsetAtPing));
    const receipts = this.#rows(sql.RECEIPTS).filter(({ offset }) => offset <= confirmed);
    await each(receipts, async ({ offset, sender_id, payload }) => {
      await callsOf(this.env).delivered(this.#object(sender_id), payload);
      this.#run(sql.REMOVE_RECEIPT, offset);
    });
  }

  async #wakeAt(time) {
    this.#alarmAt ??= (await this.ctx.storage.getAlarm()) ?? Infinity;
    if (this.#alarmAt <= time) return;
    this.#alarmAt = time;
    await this.ctx.storage.setAlarm(time);
  }

  // Storage.

  #run(query, ...params) {
    this.ctx.storage.sql.exec(query, ...params);
  }

  #rows(query, ...params) {
    return this.#exists() ? this.ctx.storage.sql.exec(query, ...params).toArray() : [];
  }

  #exists() {
    this.#hasTables ||= this.ctx.storage.sql.exec(sql.HAS_TABLES).toArray().length > 0;
    return this.#hasTables;
  }

  #makeTables() {
    if (!this.#exists()) this.#run(sql.USER_TABLES);
    this.#hasTables = true;
  }

  #stored() {
    const nothing = { is_recorded: 0, is_online: 0, last_seen: null, confirmed: 0 };
    return (this.#state ??= this.#rows(sql.STATE)[0] ?? nothing);
  }

  #last() {
    this.#ends ??= this.#rows(sql.LOG_ENDS)[0] ?? { first: null, last: null };
    return this.#ends.last ?? 0;
  }

  #append(messageId, event, payload, exceptSid = null) {
    this.#makeTables();
    const now = Date.now();
    const offset = this.#last() === 0 ? now : this.#last() + 1;
    const first = this.#ends.first ?? offset;
    const entry = [offset, messageId, event, payload, now, exceptSid];
    const isFull = offset - first >= LOG_MAX_EVENTS;
    if (isFull) this.#run(sql.OVERWRITE, ...entry, first);
    else this.#run(sql.APPEND, ...entry);
    this.#ends = { first: isFull ? first + 1 : first, last: offset };
    return offset;
  }
}

const eventText = (event, payload, offset) => `42["${event}",${payload},"${offset}"]`;

function payloadOf({ sender, messageType, content, jobId, createdAt }, { r, c, m }) {
  return JSON.stringify({
    messageId: m,
    conversationId: c,
    senderId: sender.id,
    sender,
    receiverId: r,
    messageType,
    content,
    jobId,
    timestamp: iso(createdAt),
  });
}

const directReply = (target, now) =>
  target
    ? ["message_sent", { messageId: target.m, conversationId: target.c, timestamp: iso(now) }]
    : ["error", { code: "not_found", message: "Receiver not found", event: "send_message" }];

function bulkReply(stored, delivered, refused) {
  const results = stored.map(({ r, c, m }, index) => ({
    receiverId: r,
    conversationId: c,
    messageId: m,
    success: true,
    delivered: delivered[index],
  }));
  const errors = refused.map(({ r }) => ({ receiverId: r, error: "Receiver not found" }));
  const [totalSent, totalFailed] = [results.length, errors.length];
  return ["bulk_message_sent", { totalSent, totalFailed, results, errors }];
}

/** Calls `act` for each item, FANOUT_CONCURRENCY at a time. Returns the results in the order of the items. */
async function each(items, act) {
  const results = new Array(items.length);
  let next = 0;
  const work = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await act(items[index]);
    }
  };
  await Promise.all(Array.from({ length: Math.min(FANOUT_CONCURRENCY, items.length) }, work));
  return results;
}
