// The record in four databases: what is where, what happens when one of them fails, and that their number and order are
// for ever.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import {
  ackOf,
  closeAll,
  connect,
  contractor,
  refusal,
  request,
  sendText,
  until,
} from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import { gatedWorker, startGate } from "./support/gate.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const API_KEY = "a key for the backend, of 40 characters..";
const headers = { Authorization: `Bearer ${API_KEY}` };
const HANDSHAKE = "/socket.io/?EIO=4&transport=polling";

let server: Server;
before(async () => {
  server = await startServer({ vars: { API_KEY, HEALTH_CACHE_MS: 0 }, shards: 4 });
});
after(async () => {
  closeAll();
  await server.close();
});

async function answerOf(
  { url }: { url: string },
  path: string,
  init: RequestInit = {},
): Promise<[status: number, body: any]> {
  const response = await fetch(url + path, { headers, ...init });
  const text = await response.text();
  return [response.status, text.startsWith("{") ? JSON.parse(text) : text];
}

/** Lets a database fail while `act` runs: statements that need this table do. */
async function hiding<T>(shard: number, table: string, act: () => Promise<T>) {
  const rename = (from: string, to: string) =>
    server.dbs[shard].prepare(`ALTER TABLE ${from} RENAME TO ${to}`).run();
  await rename(table, "hidden");
  try {
    return await act();
  } finally {
    await rename("hidden", table);
  }
}

test("each database remembers its place", async () => {
  assert.equal((await answerOf(server, HANDSHAKE))[0], 200);
  const rows = await server.everywhere(
    "SELECT jurisdiction, shard_index, shard_count FROM deployment",
  );
  const place = (shard_index: number) => ({ jurisdiction: "none", shard_index, shard_count: 4 });
  assert.deepEqual(rows, [0, 1, 2, 3].map(place));
});

test("users are in all databases, and erased from all", async () => {
  const users = () =>
    server.everywhere("SELECT role, name FROM users WHERE user_id = 'everywhere'");
  const socket = await connect(server, "everywhere");
  assert.deepEqual(await users(), Array(4).fill({ role: "customer", name: null }));
  const body = JSON.stringify({ role: "contractor", name: "Ann" });
  const put = () => answerOf(server, "/v1/users/everywhere", { method: "PUT", body });
  assert.equal((await put())[0], 200);
  assert.deepEqual(await users(), Array(4).fill({ role: "contractor", name: "Ann" }));

  // One that does not have the user yet, as after a failure in between, gets a copy.
  await server.dbs[2].prepare("DELETE FROM users WHERE user_id = 'everywhere'").run();
  assert.equal((await put())[0], 200);
  assert.equal((await users()).length, 4);

  socket.close();
  const [status] = await answerOf(server, "/v1/users/everywhere", { method: "DELETE" });
  assert.equal(status, 204);
  assert.deepEqual(await users(), []);
});

test("a user does not count as recorded until every database has them", async () => {
  await server.addUser("someone");
  const sender = await hiding(3, "users", async () => {
    const [status] = await answerOf(server, "/v1/users/new", { method: "PUT", body: "{}" });
    assert.equal(status, 503);
    return contractor(server, "late");
  });
  assert.equal((await sendText(sender, ["someone"], "at last")).totalSent, 1);
  const rows = await server.everywhere("SELECT role FROM users WHERE user_id = 'late'");
  assert.deepEqual(rows, Array(4).fill({ role: "contractor" }));
});

test("health names the database that is not well", async () => {
  const [, well] = await answerOf(server, "/healthz");
  assert.deepEqual([well.d1, well.failingShards], ["ok", undefined]);
  await hiding(2, "users", async () => {
    const [status, health] = await answerOf(server, "/healthz");
    assert.deepEqual([status, health.d1, health.failingShards], [503, "failing", ["DB_2"]]);
  });
});

const receiverIds = Array.from({ length: 12 }, (_, index) => `receiver${index}`);

/** Returns the place of the database that has the conversation. */
const shardOf = (conversationId: string) => Number.parseInt(conversationId.slice(0, 1), 16) >> 2;

/** Sends to all receivers. Returns their results, with the place of each one's database. */
async function sendToAll(sender: Client, text: string, more = {}) {
  const { results, errors } = await sendText(sender, receiverIds, text, more);
  const sent = results.map((result) => ({ ...result, shard: shardOf(result.conversationId) }));
  return { sent, errors };
}

/** Connects the sender and all receivers, who have a conversation from now on. */
async function everyone() {
  const sender = await contractor(server);
  const receivers = new Map<string, Client>();
  for (const id of receiverIds) receivers.set(id, await connect(server, id));
  const { sent } = await sendToAll(sender, "hello");
  return { sender, receivers, sent };
}

const figures = () => {
  const lines = server.logs().filter((line) => line.includes('"what":"send_bulk_message"'));
  return JSON.parse(lines.at(-1) ?? "{}");
};

test("a conversation is in the database of its id, with its content and blocks", async () => {
  const { sender, receivers, sent } = await everyone();
  assert.equal(figures().d1RoundTrips, new Set(sent.map(({ shard }) => shard)).size);
  for (const [place, db] of server.dbs.entries()) {
    const { results } = await db
      .prepare("SELECT lower(hex(conversation_id)) AS id FROM conversations")
      .all<{ id: string }>();
    assert.ok(results.length > 0);
    for (const { id } of results) assert.equal(shardOf(id), place);
    const orphans =
      "SELECT 1 FROM messages AS m WHERE content IS NULL AND NOT EXISTS (SELECT 1 FROM contents)";
    assert.equal(await db.prepare(orphans).first(), null);
  }
  for (const { receiverId, shard } of sent.slice(0, 3)) {
    const blocker = receivers.get(receiverId);
    assert.ok(blocker);
    await request(blocker, "block_user", { userId: "contractor1" });
    const sql = "SELECT 1 FROM blocks WHERE blocker_id = ?";
    const found = await Promise.all(
      server.dbs.map((db) => db.prepare(sql).bind(receiverId).first()),
    );
    assert.deepEqual(
      found.map((row) => row !== null),
      server.dbs.map((_, place) => place === shard),
    );
    const refused = { receiverId, error: "Receiver is not accepting messages from you" };
    assert.deepEqual((await sendText(sender, [receiverId], "no")).errors, [refused]);
    await request(blocker, "unblock_user", { userId: "contractor1" });
  }
  closeAll();
});

test("a database that fails takes only its own conversations with it", async () => {
  const { sender, receivers, sent } = await everyone();
  const [{ shard: down }] = sent;
  const isDown = ({ shard }: { shard: number }) => shard === down;
  const [lost, others] = [sent.filter(isDown), sent.filter((result) => !isDown(result))];
  assert.ok(others.length > 0);
  const key = { idempotencyKey: "partly" };
  const partly = await hiding(down, "messages", async () => {
    const answer = await sendToAll(sender, "partly", key);
    for (const { receiverId } of others) {
      await until(() => receivers.get(receiverId)?.texts.includes("partly"), receiverId);
    }
    for (const { conversationId, shard } of sent) {
      const history = await ackOf(sender, "get_messages", { conversationId });
      assert.equal("error" in history, shard === down);
    }
    const { code } = await refusal(sender, "get_conversations", {});
    assert.equal(code, "unavailable");
    return answer;
  });
  const error = "The message could not be stored, please try again";
  assert.deepEqual(
    partly.errors,
    lost.map(({ receiverId }) => ({ receiverId, error })),
  );
  assert.deepEqual(
    partly.sent.map(({ receiverId }) => receiverId),
    others.map(({ receiverId }) => receiverId),
  );

  // The same send again completes it; what was answered stays as it is.
  const whole = await sendToAll(sender, "partly", key);
  assert.deepEqual(whole.errors, []);
  const idsOf = ({ receiverId, messageId }: (typeof sent)[number]) => [receiverId, messageId];
  assert.deepEqual(
    whole.sent.filter((result) => !isDown(result)).map(idsOf),
    partly.sent.map(idsOf),
  );
  assert.deepEqual(await sendToAll(sender, "partly", key), whole);
  const { items } = await request(sender, "get_conversations", { limit: 12 });
  assert.deepEqual(
    items.map(({ conversationId }) => conversationId),
    whole.sent.map(({ conversationId }) => conversationId).reverse(),
  );
  for (const [id, { texts }] of receivers) {
    await until(() => texts.includes("partly"), id);
    assert.equal(texts.filter((text) => text === "partly").length, 1);
  }
  closeAll();
});

test("what a database has stored without confirming it is delivered", async () => {
  const { sender, receivers, sent } = await everyone();
  const [{ shard: down }] = sent;
  const partly = await hiding(down, "messages", () => sendToAll(sender, "unconfirmed"));
  const lost = sent.find(({ shard }) => shard === down);
  assert.ok(lost);
  // As if the database had stored it. The ids of a send differ in a counter.
  const [first] = partly.sent;
  const hex = first.messageId.replaceAll("-", "");
  const index = receiverIds.indexOf(lost.receiverId).toString(16).padStart(3, "0");
  const messageId = `${hex.slice(0, 13)}${index}${hex.slice(16)}`;
  await server.dbs[down]
    .prepare("INSERT INTO messages VALUES (unhex(?, '-'), unhex(?), 1, 'text', ?, NULL)")
    .bind(lost.conversationId, messageId, JSON.stringify({ text: "unconfirmed" }))
    .run();
  await until(() => receivers.get(lost.receiverId)?.texts.includes("unconfirmed"), "the message");
  // Nobody else gets it again.
  const all = receiverIds.filter((id) => receivers.get(id)?.texts.includes("unconfirmed"));
  assert.deepEqual(all.length, partly.sent.length + 1);
  closeAll();
});

test("a database that is slow holds up nobody else, and what it stores later is delivered", async () => {
  const gate = await startGate();
  const vars = { SHARD_PATIENCE_MS: 300, GATE_URL: gate.url };
  const slow = await createDevServer(vars, { shards: 4, wrapper: gatedWorker });
  try {
    await slow.start();
    const sender = await contractor(slow);
    const receivers = new Map<string, Client>();
    for (const id of receiverIds) receivers.set(id, await connect(slow, id));
    const { results } = await sendText(sender, receiverIds, "hello");
    const last =
      results
        .map(({ conversationId }) => shardOf(conversationId))
        .sort()
        .at(-1) ?? 0;
    assert.ok(last > 0);
    gate.hold(`DB_${last}`);
    const sent = await sendText(sender, receiverIds, "slowly");
    const late = results.filter(({ conversationId }) => shardOf(conversationId) === last);
    assert.deepEqual(
      sent.errors.map(({ receiverId }) => receiverId),
      late.map(({ receiverId }) => receiverId),
    );
    for (const { receiverId } of sent.results) {
      await until(() => receivers.get(receiverId)?.texts.includes("slowly"), receiverId);
    }
    gate.openAll();
    for (const { receiverId } of late) {
      await until(() => receivers.get(receiverId)?.texts.includes("slowly"), receiverId, 20_000);
    }
    const open = "SELECT unconfirmed FROM outbox WHERE next_attempt_at IS NOT NULL";
    await until(() => slow.storage("contractor1", open).length === 0, "the outbox is empty");
    for (const { texts } of receivers.values()) assert.deepEqual(texts, ["hello", "slowly"]);
  } finally {
    closeAll();
    await slow.close();
    gate.close();
  }
});

/** Starts a server, whose first database is already in use as the given shard, and returns its answer. */
async function answerWith(
  { shards = 1, begunAs }: { shards?: 1 | 4; begunAs?: [index: number, count: number] },
  change: { vars?: Record<string, string>; edit?: (toml: string) => string } = {},
) {
  const changed = await startServer({
    shards,
    vars: { API_KEY, ...change.vars },
    edit: change.edit,
  });
  try {
    if (begunAs) {
      const sql = "INSERT INTO deployment VALUES (1, 'none', ?, ?)";
      await changed.db
        .prepare(sql)
        .bind(...begunAs)
        .run();
    }
    const [status, { message }] = await answerOf(changed, HANDSHAKE);
    const [, { configuration }] = await answerOf(changed, "/healthz");
    return { status, message, configuration };
  } finally {
    await changed.close();
  }
}

const wrongPlace = (place: string, begunAs: string) =>
  new RegExp(
    `^Configuration error: RECORD_SHARDS: "\\w+" is number ${place}, but its database was begun as number ${begunAs},`,
  );

test("another number of databases is refused", async () => {
  const { status, message } = await answerWith({ shards: 4, begunAs: [0, 1] });
  assert.equal(status, 500);
  assert.match(message, wrongPlace("1 of 4", "1 of 1"));
});

test("a database that is bound twice is refused", async () => {
  const edit = (toml: string) => toml.replace('000000001"', '000000000"');
  const { status, message } = await answerWith({ shards: 4 }, { edit });
  assert.equal(status, 500);
  assert.match(message, wrongPlace("[12] of 4", "[12] of 4"));
});

test("a name that is not bound is refused", async () => {
  const vars = { RECORD_SHARDS: "DB,OTHER" };
  assert.deepEqual(await answerWith({}, { vars }), {
    status: 500,
    message: 'Configuration error: RECORD_SHARDS: wrangler.toml binds no D1 database as "OTHER"',
    configuration: "failing",
  });
});
