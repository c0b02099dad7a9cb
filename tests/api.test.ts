// The behaviour of the HTTP API. schemathesis checks that it conforms to openapi.yaml (npm run test:api).

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import {
  closeAll,
  connect,
  contractor,
  next,
  record,
  request,
  sendTo,
  until,
} from "./support/clients.ts";
import type { Refused } from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const API_KEY = "a key for the backend, of 40 characters..";
const API_KEY_PREVIOUS = "the key before, of 40 characters too.....";

let server: Server;
before(async () => {
  server = await startServer({ vars: { API_KEY, API_KEY_PREVIOUS } });
});
afterEach(closeAll);
after(() => server.close({ erasures: 3 }));

/** The body is `any`: each test knows its shape. */
async function call(
  method: string,
  path: string,
  body?: object,
  headers = {},
): Promise<[status: number, body: any, headers: Headers]> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { Authorization: `Bearer ${API_KEY}`, ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return [response.status, text && JSON.parse(text), response.headers];
}
const problem = (status: number, title: string, code: string, detail: string) => ({
  type: "about:blank",
  title,
  status,
  detail,
  code,
});
/** The claim of a token that is issued after an erasure that has just ended. */
const later = () => ({ iat: Math.floor(Date.now() / 1000) + 1 });
const text = { messageType: "text", content: { text: "from the backend" } } as const;

test("access needs a service token or the API key", async () => {
  const ask = async (authorization: string | null) => {
    const headers = new Headers(authorization === null ? {} : { Authorization: authorization });
    const response = await fetch(`${server.url}/v1/users/a/status`, { headers });
    return [
      response.status,
      (await response.json()).code,
      response.headers.get("www-authenticate"),
    ];
  };
  await server.addUser("a");
  const token = (claims: object) => `Bearer ${server.token("backend", claims)}`;
  const good = { aud: "switchboard", scope: "messages:read" };
  assert.deepEqual(await ask(token(good)), [200, undefined, null]);
  assert.deepEqual(await ask(`Bearer ${API_KEY_PREVIOUS}`), [200, undefined, null]);
  for (const scheme of ["Bearer", "bearer", "BEARER"]) {
    assert.deepEqual(await ask(`${scheme} ${API_KEY}`), [200, undefined, null]);
  }
  assert.deepEqual(await ask(`Basic ${API_KEY}`), [401, "unauthorized", "Bearer"]);
  assert.deepEqual(await ask(null), [401, "unauthorized", "Bearer"]);
  assert.deepEqual(await ask(`Bearer ${API_KEY}x`), [401, "unauthorized", "Bearer"]);
  assert.deepEqual(await ask(token({ ...good, exp: 1 })), [401, "token_expired", "Bearer"]);
  assert.deepEqual(await ask(token({})), [403, "forbidden", null]);
  assert.deepEqual(await ask(token({ ...good, aud: undefined })), [403, "forbidden", null]);
});

test("each scope opens its own part, and a service is no user", async () => {
  await server.addUser("owner");
  const message = { senderId: "owner", receiverId: "owner", ...text };
  const requests: Record<string, [method: string, path: string, body?: object][]> = {
    "users:write": [["PUT", "/v1/users/owner", {}]],
    "messages:send": [
      ["POST", "/v1/messages", message],
      ["POST", "/v1/messages/bulk", {}],
    ],
    "messages:read": [
      ["GET", "/v1/users/owner/status"],
      ["POST", "/v1/status", { userIds: ["owner"] }],
      ["GET", "/v1/users/owner/conversations"],
      ["GET", "/v1/users/owner/unread"],
      ["GET", "/v1/conversations/none/messages"],
    ],
    admin: [
      ["POST", "/v1/users/owner/disconnect"],
      ["DELETE", "/v1/users/nobody"],
    ],
  };
  const scopes = [...Object.keys(requests), "service"];
  for (const scope of scopes) {
    const token = server.token("backend", { aud: ["switchboard", "other"], scope });
    const headers = { Authorization: `Bearer ${token}` };
    for (const [needed, all] of Object.entries(requests)) {
      for (const [method, path, body] of all) {
        const [status, answer] = await call(method, path, body, headers);
        const detail = `The token's scope does not contain "${needed}"`;
        // A request that is authorized may fail for another reason, but not for this one.
        assert.equal(answer.detail === detail, scope !== needed, `${scope}: ${method} ${path}`);
        if (scope !== needed) assert.equal(status, 403);
      }
    }
  }
  const service = { claims: { aud: "switchboard", scope: scopes.join(" ") } };
  await assert.rejects(connect(server, "owner", service), (error: Refused) => {
    assert.equal(error.data.code, "unauthorized");
    return true;
  });
});

test("unknown paths and methods", async () => {
  const [status, body, headers] = await call("GET", "/v1/nothing");
  assert.deepEqual(
    [status, body],
    [404, problem(404, "Not Found", "not_found", "There is nothing here")],
  );
  assert.equal(headers.get("content-type"), "application/problem+json");
  const [notAllowed, , others] = await call("POST", "/v1/users/a");
  assert.deepEqual([notAllowed, others.get("allow")], [405, "PUT, DELETE"]);
});

test("a user with any id is added and changed", async () => {
  const id = "ü/ 1%";
  const path = `/v1/users/${encodeURIComponent(id)}`;
  const [status, user, headers] = await call("PUT", path, { name: "Ann", region: "weur" });
  assert.equal(status, 200);
  assert.equal(headers.get("content-type"), "application/json");
  const expected = { userId: id, role: "customer", name: "Ann", avatarUrl: null, region: "weur" };
  assert.deepEqual(user, expected);
  const [, changed] = await call("PUT", path, { role: "contractor" });
  assert.deepEqual(changed, { ...expected, role: "contractor" });
  const [bad, refusal] = await call("PUT", path, { role: "admin" });
  assert.equal(bad, 400);
  assert.equal(refusal.detail, 'role must be "customer" or "contractor"');

  for (const avatarUrl of ["javascript:alert(1)", "http://example.com/a.png"]) {
    const [status, { detail }] = await call("PUT", path, { avatarUrl });
    const expected =
      "avatarUrl must be an https URL, or http on localhost, of at most 2000 characters";
    assert.deepEqual([status, detail], [400, expected]);
  }

  // The role takes effect at once, and the object is created in the user's region.
  const sender = await connect(server, id);
  await call("PUT", "/v1/users/placed", { region: "oc" });
  const bulk = { receiverIds: ["placed"], ...text };
  assert.equal((await request(sender, "send_bulk_message", bulk)).totalSent, 1);
  const statuses = await request(sender, "get_bulk_online_status", { userIds: ["placed", "x"] });
  assert.equal(statuses.placed.isOnline, false);
});

test("a region is learned from the first connect", async () => {
  await connect(server, "traveller");
  const row = await until(
    () => server.db.prepare("SELECT region FROM users WHERE user_id = 'traveller'").first(),
    "the row",
  );
  // The local runtime's placeholder for Request.cf is a place in North America.
  assert.ok(["enam", "wnam"].includes(String(row.region)), String(row.region));
});

test("online statuses", async () => {
  await connect(server, "here");
  const [, status] = await call("GET", "/v1/users/here/status");
  assert.deepEqual(status, { ...status, userId: "here", isOnline: true, connectionCount: 1 });
  const [, statuses] = await call("POST", "/v1/status", { userIds: ["here", "nowhere", "here"] });
  assert.deepEqual(Object.keys(statuses), ["here", "nowhere"]);
  assert.deepEqual(statuses.nowhere, { isOnline: false, lastSeen: null });
  const [bad, refusal] = await call("POST", "/v1/status", { userIds: [] });
  assert.deepEqual([bad, refusal.detail], [400, "userIds must be a non-empty array"]);
});

test("messages are sent on behalf of users, once per idempotency key", async () => {
  const receiver = await connect(server, "receiver");
  const sender = await contractor(server, "sender");
  const copies = record(sender, "new_message", "message_delivered");
  const message = { senderId: "sender", receiverId: "receiver", ...text };
  const key = { "Idempotency-Key": "once" };
  const [status, sent] = await call("POST", "/v1/messages", message, key);
  assert.equal(status, 201);
  assert.deepEqual(await call("POST", "/v1/messages", message, key).then(([, body]) => body), sent);
  await until(() => receiver.texts.length > 0, "the message");
  // All of the sender's devices get a copy, since none of them sent the message.
  await until(() => copies.length === 2, "the sender's copy and receipt");
  assert.equal(copies[0][1].messageId, sent.messageId);

  const other = { ...message, content: { text: "other" } };
  const [conflict, refusal] = await call("POST", "/v1/messages", other, key);
  assert.deepEqual([conflict, refusal.code], [409, "idempotency_conflict"]);
  const cases: [change: object, expected: [status: number, detail?: string]][] = [
    [{ receiverId: "nobody" }, [404, "Receiver not found"]],
    [{ senderId: "nobody" }, [404, "Sender not found"]],
    [{ senderId: 7 }, [400]],
    [{ receiverId: undefined, conversationId: "nothing" }, [404, "Conversation not found"]],
    [{ content: { text: "x".repeat(10_001) } }, [400]],
    [
      { messageType: "file", content: { fileUrl: "javascript:alert(1)" } },
      [400, "content.fileUrl must be an https URL, or http on localhost"],
    ],
  ];
  for (const [change, [status, text]] of cases) {
    const [code, { detail }] = await call("POST", "/v1/messages", { ...message, ...change });
    assert.equal(code, status);
    if (text) assert.equal(detail, text);
  }

  const bulk = { senderId: "sender", receiverIds: ["receiver", "nobody"], ...text };
  const [ok, result] = await call("POST", "/v1/messages/bulk", bulk);
  assert.deepEqual([ok, result.totalSent, result.totalFailed], [200, 1, 1]);
  const [forbidden] = await call("POST", "/v1/messages/bulk", { ...bulk, senderId: "receiver" });
  assert.equal(forbidden, 403);
  await until(() => receiver.texts.length === 2, "both messages, each once");
});

test("history, by pages", async () => {
  const ann = await connect(server, "ann");
  await server.addUser("bob");
  let conversationId;
  for (const said of ["1", "2", "3"]) {
    ({ conversationId } = await sendTo(ann, { receiverId: "bob" }, said));
  }
  const path = `/v1/conversations/${conversationId}/messages`;
  const [, first] = await call("GET", `${path}?limit=2`);
  const [, second] = await call("GET", `${path}?limit=2&before=${first.nextCursor}`);
  const texts = [...first.items, ...second.items].map(({ content }) => content.text);
  assert.deepEqual([texts, second.nextCursor], [["3", "2", "1"], null]);
  const [, list] = await call("GET", "/v1/users/bob/conversations?limit=1");
  assert.deepEqual([list.items[0].conversationId, list.items[0].unreadCount], [conversationId, 3]);
  for (const [query, expected] of [
    ["/v1/conversations/nothing/messages", 404],
    [`${path}?limit=0`, 400],
    [`${path}?before=x`, 400],
    ["/v1/users/bob/conversations?cursor=x", 400],
  ]) {
    assert.equal((await call("GET", String(query)))[0], expected, String(query));
  }
});

test("a disconnected user's clients do not reconnect", async () => {
  const sockets = await Promise.all([
    connect(server, "guest", { reconnection: true }),
    connect(server, "guest", { transports: ["polling"], reconnection: true }),
  ]);
  const gone = sockets.map((socket) => next(socket, "disconnect"));
  const [, closed] = await call("POST", "/v1/users/guest/disconnect");
  assert.deepEqual(closed, { disconnected: 2 });
  for (const [reason] of await Promise.all(gone)) assert.equal(reason, "io server disconnect");
  assert.ok(sockets.every((socket) => !socket.active));
  const [, again] = await call("POST", "/v1/users/guest/disconnect");
  assert.deepEqual(again, { disconnected: 0 });
});

test("a user is erased, without a trace", async () => {
  const friend = await contractor(server, "friend");
  const doomed = await connect(server, "doomed");
  const { conversationId } = await sendTo(doomed, { receiverId: "friend" }, "remember me");
  await sendTo(friend, { receiverId: "doomed" }, "always");
  const kept = await sendTo(friend, { receiverId: "ann" }, "kept");
  // Conversations that exist only in D1: one of today, and one that has not been moved to the tables of today.
  const bytes = "x'0dd00000000080008000000000000001'";
  const text = "'0dd00000-0000-8000-8000-000000000001'";
  const statements = [
    `INSERT INTO conversations VALUES (${bytes}, 'ann', 'doomed', NULL, NULL, NULL, 0)`,
    `INSERT INTO messages VALUES (${bytes}, ${bytes}, 1, 'text', '{}', NULL)`,
    `INSERT INTO old_conversations VALUES (${text}, 'ann', 'doomed', NULL, 'm', 0, 0, NULL, NULL)`,
    `INSERT INTO old_messages VALUES (${text}, 'm', 'ann', 'doomed', 'text', '{}', NULL, 0)`,
  ];
  await server.db.batch(statements.map((sql) => server.db.prepare(sql)));
  await request(friend, "subscribe_online_status", { userIds: ["doomed"] });
  await request(doomed, "block_user", { userId: "pest" });
  const told = next(friend, "user_online_status");
  const gone = next(doomed, "disconnect");

  assert.deepEqual((await call("DELETE", "/v1/users/doomed")).slice(0, 2), [204, ""]);
  assert.deepEqual(await gone.then(([reason]) => reason), "io server disconnect");
  assert.deepEqual((await told)[0], {
    userId: "doomed",
    isOnline: false,
    lastSeen: null,
    connectionCount: 0,
  });
  const rows = [
    "users WHERE user_id = 'doomed'",
    "messages JOIN conversations USING (conversation_id) WHERE 'doomed' IN (user_a, user_b)",
    "messages WHERE content LIKE '%remember me%' OR content LIKE '%always%'",
    "conversations WHERE 'doomed' IN (user_a, user_b)",
    "old_messages",
    "old_conversations",
    "blocks WHERE blocker_id = 'doomed'",
  ];
  for (const from of rows) assert.equal(await server.count(from), 0, from);
  for (const path of ["status", "conversations"]) {
    const [status, { detail }] = await call("GET", `/v1/users/doomed/${path}`);
    assert.deepEqual([status, detail], [404, "User not found"]);
  }
  const seen = await request(friend, "get_online_status", { userId: "doomed" });
  assert.equal(seen.lastSeen, null);
  // The friend keeps their own conversations, but none with the erased user.
  const { items } = await request(friend, "get_conversations", {});
  const ids = items.map((item) => item.conversationId);
  assert.ok(ids.includes(kept.conversationId) && !ids.includes(conversationId));
  friend.io.engine.close();
  const back = await contractor(server, "friend");
  await sendTo(back, { receiverId: "ann" }, "later");
  assert.ok(!back.texts.includes("remember me"));
  assert.equal((await call("DELETE", "/v1/users/doomed"))[0], 204);
  // A user with a token from after the erasure can connect again and starts from scratch.
  const anew = await connect(server, "doomed", { claims: later() });
  assert.deepEqual((await request(anew, "get_conversations", {})).items, []);
});

test("an erasure tells many watchers, some at a time; a repeat tells the others", async () => {
  const stepwise = await startServer({ vars: { API_KEY, WATCHERS_PER_ALARM: "1" } });
  try {
    const erase = async () => {
      const headers = { Authorization: `Bearer ${API_KEY}` };
      return (await fetch(`${stepwise.url}/v1/users/star`, { method: "DELETE", headers })).status;
    };
    await connect(stepwise, "star");
    const watchers = [];
    for (let index = 0; index < 12; index++) {
      const watcher = await connect(stepwise, `fan${index}`, { transports: ["websocket"] });
      await request(watcher, "subscribe_online_status", { userIds: ["star"] });
      watchers.push(watcher);
    }
    const told = watchers.map((watcher) => next(watcher, "user_online_status"));
    assert.equal(await erase(), 503);
    assert.equal(await erase(), 204);
    for (const [status] of await Promise.all(told)) assert.equal(status.isOnline, false);
  } finally {
    closeAll();
    await stepwise.close();
  }
});

test("bulk sends are limited here, too", async () => {
  const limited = await startServer({ vars: { API_KEY, MAX_BULK_SENDS_PER_MINUTE: "1" } });
  try {
    await limited.addUser("c", "contractor");
    const send = () =>
      fetch(`${limited.url}/v1/messages/bulk`, {
        method: "POST",
        headers: { Authorization: `Bearer ${API_KEY}` },
        body: JSON.stringify({ senderId: "c", receiverIds: ["x"], ...text }),
      });
    assert.equal((await send()).status, 200);
    const refused = await send();
    assert.equal(refused.status, 429);
    assert.ok(Number(refused.headers.get("retry-after")) > 0);
    assert.ok((await refused.json()).retryAfterMs > 0);
  } finally {
    await limited.close();
  }
});

test("a session from before an erasure is not recovered after it", async () => {
  const friend = await contractor(server, "another friend");
  const returning = await connect(server, "returning");
  await sendTo(friend, { receiverId: "returning" }, "before");
  await until(() => returning.texts.length === 1, "the first message");
  const gone = next(returning, "disconnect");
  assert.equal((await call("DELETE", "/v1/users/returning"))[0], 204);
  await gone;

  await server.addUser("returning");
  const texts = ["after 1", "after 2", "after 3"];
  for (const text of texts) await sendTo(friend, { receiverId: "returning" }, text);
  returning.texts.length = 0;
  returning.auth = { token: server.token("returning", later()) };
  returning.connect();
  await until(() => returning.texts.length >= texts.length, "all that came after");
  assert.equal(returning.recovered, false);
  assert.deepEqual(returning.texts, texts);
});
