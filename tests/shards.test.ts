// The record in four databases: what is where, and that their number and order are for ever.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { closeAll, connect, contractor, sendText } from "./support/clients.ts";
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
