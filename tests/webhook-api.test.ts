// Webhooks that were given up, and the switch: what operators see, and what a replay does.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test, { after, before, beforeEach } from "node:test";

import { API_KEY, callApi } from "./support/api.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const WEBHOOK_SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const url = "http://127.0.0.1:9/hook?key=hunter2";
const failedAt = Date.UTC(2026, 7, 3, 9);

let server: Server;
before(async () => {
  const vars = {
    API_KEY,
    HEALTH_CACHE_MS: 0,
    WEBHOOK_REPLAY_BATCH: 2,
    WEBHOOK_SECRET,
    WEBHOOK_URL: url,
  };
  server = await startServer({ vars });
});
after(() => server.close({ erasures: 1 }));
beforeEach(async () => {
  await server.db.exec("DELETE FROM failed_webhooks");
  await server.db.exec("DELETE FROM webhook_endpoint");
});

const call = (
  method: string,
  path: string,
  { body, token }: { body?: object; token?: string } = {},
) => callApi(server, method, path, body, token);

/** Records webhooks that were given up. */
async function fail(userId: string, ...ids: string[]) {
  const sql = "INSERT INTO failed_webhooks VALUES (?, ?, 'message.unread', ?, 500)";
  const statement = server.db.prepare(sql);
  await server.db.batch(ids.map((id) => statement.bind(id, userId, failedAt)));
}

const failed = async (query = "") => {
  const [status, page] = await call("GET", `/v1/webhooks/failed${query}`);
  assert.equal(status, 200);
  return page;
};
const idsOf = ({ items }: { items: { webhookId: string }[] }) =>
  items.map(({ webhookId }) => webhookId);
const replay = (body?: object) => call("POST", "/v1/webhooks/replay", { body });

test("failed webhooks are listed newest first, in pages", async () => {
  assert.deepEqual(await failed(), { items: [], nextCursor: null });
  await fail("customer1", "w1", "w2", "w3");
  const page = await failed("?limit=1");
  const item = {
    webhookId: "w3",
    userId: "customer1",
    event: "message.unread",
    failedAt: "2026-08-03T09:00:00.000Z",
    lastStatus: 500,
  };
  assert.deepEqual(page, { items: [item], nextCursor: "w3" });
  const rest = await failed(`?cursor=${page.nextCursor}`);
  assert.deepEqual([idsOf(rest), rest.nextCursor], [["w2", "w1"], null]);
  const [status, { detail }] = await call("GET", "/v1/webhooks/failed?cursor=%C3%BC");
  assert.deepEqual([status, detail], [400, "cursor must be the id of a webhook"]);
});

test("only the scope admin opens them", async () => {
  const token = (scope: string) => server.token("backend", { aud: "switchboard", scope });
  for (const [method, path] of [
    ["GET", "/v1/webhooks/failed"],
    ["POST", "/v1/webhooks/replay"],
  ] as const) {
    const ask = (scope: string) => call(method, path, { token: token(scope) });
    const [refused] = await ask("messages:read messages:send users:write");
    const [served] = await ask("admin");
    assert.deepEqual([refused, served], [403, 200]);
  }
});

// None of these objects has ever heard of its webhook, so each answers that there is nothing to send.
test("a replay asks the users' objects, the oldest first, and forgets what they answer for", async () => {
  await fail("customer1", "w1", "w3");
  await fail("customer2", "w2", "w4");
  assert.deepEqual(await replay(), [200, { replayed: 0, remaining: 2 }]);
  assert.deepEqual(idsOf(await failed()), ["w4", "w3"]);
  assert.deepEqual(await replay({ ids: ["w4", "nothing"] }), [200, { replayed: 0, remaining: 1 }]);
  assert.deepEqual(idsOf(await failed()), ["w3"]);
  const [status, { detail }] = await replay({ ids: ["a", "b", "c"] });
  assert.deepEqual([status, detail], [400, "ids must be an array of 1 to 2 ids of webhooks"]);
});

test("the health check says that the webhook is off, and a replay switches it on", async () => {
  const state = async () => {
    const [status, health] = await call("GET", "/healthz");
    assert.equal(status, 200);
    assert.ok(!JSON.stringify(health).includes("hunter2"));
    return health.webhook;
  };
  assert.deepEqual(await state(), { state: "on" });
  const hash = (text: string) => createHash("sha256").update(text).digest("base64url");
  const sql = "INSERT INTO webhook_endpoint VALUES (?, ?)";
  await server.db.prepare(sql).bind(hash("http://127.0.0.1:9/another"), failedAt).run();
  assert.deepEqual(await state(), { state: "on" });
  await server.db.prepare(sql).bind(hash(url), failedAt).run();
  assert.deepEqual(await state(), { state: "off", goneAt: "2026-08-03T09:00:00.000Z" });
  assert.deepEqual(await replay(), [200, { replayed: 0, remaining: 0 }]);
  assert.deepEqual(await state(), { state: "on" });
});

test("an erasure takes the user's failed webhooks and no others", async () => {
  await fail("customer1", "w1");
  await fail("customer2", "w2");
  const [status] = await call("DELETE", "/v1/users/customer1");
  assert.equal(status, 204);
  assert.deepEqual(idsOf(await failed()), ["w2"]);
});

test("without a webhook there is nothing to replay", async () => {
  const without = await startServer({ vars: { API_KEY } });
  try {
    const headers = { Authorization: `Bearer ${API_KEY}` };
    const ask = (path: string, method: string) => fetch(without.url + path, { method, headers });
    const answer = await ask("/v1/webhooks/replay", "POST");
    assert.deepEqual([answer.status, (await answer.json()).code], [409, "conflict"]);
    const health = await (await ask("/healthz", "GET")).json();
    assert.equal(health.webhook, undefined);
  } finally {
    await without.close();
  }
});
