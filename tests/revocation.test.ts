// Tokens that were issued before a revocation or an erasure are refused, whichever way their client takes.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { begin, closeAll, connect, next, optionsOf, until, ways } from "./support/clients.ts";
import type { Refused } from "./support/clients.ts";
import { Wire, openSession, openWire, poll, post } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PATH = "/socket.io";
const API_KEY = "a key for the backend, of 40 characters..";

let server: Server;
before(async () => {
  server = await startServer({ vars: { API_KEY, MAX_CONNECTIONS_PER_USER: "4" } });
});
afterEach(closeAll);
after(() => server.close());

const seconds = (offset = 0) => Math.floor(Date.now() / 1000) + offset;

async function call(method: string, path: string, body?: object) {
  const response = await fetch(`${server.url}/v1/${path}`, {
    method,
    headers: { Authorization: `Bearer ${API_KEY}` },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text && JSON.parse(text) };
}

const revoke = (userId: string) => call("POST", `users/${userId}/disconnect`, { revoke: true });

/** Resolves to the code with which a connect with these claims is refused; "" if it is not. */
async function refusalOf(userId: string, claims: object, way = "websocket only") {
  const host = { url: server.url, token: (id: string) => server.token(id, claims) };
  const socket = begin(host, userId, optionsOf(way, host, userId));
  const accepted = next(socket, "connect").then(() => "");
  const refused = next(socket, "connect_error").then(([error]) => (error as Refused).data.code);
  const code = await Promise.race([accepted, refused]);
  socket.close();
  return code;
}

const connectPacket = (userId: string, iat?: number) =>
  `40${JSON.stringify({ token: server.token(userId, { iat }) })}`;
const revoked = /^44\{"message":"The token has been revoked","data":\{"code":"token_revoked"\}\}$/;

const nextSecond = () => ({ iat: seconds(1) });

for (const way of ways) {
  test(`a revocation, ${way}`, async () => {
    const userId = `revoked ${way}`;
    const old = { iat: seconds(-60) };
    const socket = await connect(server, userId, {
      ...optionsOf(way, server, userId),
      auth: { token: server.token(userId, old) },
    });
    const gone = next(socket, "disconnect");
    const begun = seconds();
    assert.deepEqual(await revoke(encodeURIComponent(userId)), {
      status: 200,
      body: { disconnected: 1 },
    });
    assert.equal((await gone)[0], "io server disconnect");
    // The revocation may have happened a second later than this.
    for (const claims of [old, {}, { iat: begun }, { iat: begun + 0.9 }, { iat: "now" }]) {
      assert.equal(await refusalOf(userId, claims, way), "token_revoked", JSON.stringify(claims));
    }
    // Who logs in again gets in, with a token that is a second younger.
    assert.equal(await refusalOf(userId, nextSecond(), way), "");
  });
}

test("a revocation outlives the object's memory, and applies to users who were never there", async () => {
  const userId = "not-yet";
  assert.equal((await revoke(userId)).status, 200);
  await server.evict(userId, "close");
  assert.equal(await refusalOf(userId, { iat: seconds(-1) }), "token_revoked");
  const rows = server.db.prepare("SELECT 1 FROM users WHERE user_id = ?").bind(userId);
  assert.equal(await rows.first(), null);
  assert.equal(await refusalOf(userId, nextSecond()), "");
});

test("without revoke, nothing but the connections ends", async () => {
  const userId = "only-disconnected";
  const old = { iat: seconds(-60) };
  assert.equal(await refusalOf(userId, old), "");
  assert.equal((await call("POST", `users/${userId}/disconnect`, { revoke: false })).status, 200);
  assert.equal(await refusalOf(userId, old), "");
  const { status, body } = await call("POST", `users/${userId}/disconnect`, { revoke: "yes" });
  assert.deepEqual([status, body.detail], [400, "revoke must be true or false"]);
});

test("a CONNECT on a connection from before the revocation", async () => {
  const userId = "waiting";
  // One is at the user's object already, one still in the lobby.
  const straight = new Wire(server, PATH, undefined, { token: server.token(userId) });
  await straight.next();
  const relayed = await openWire(server, PATH);
  await revoke(userId);
  straight.send("40");
  assert.match(await straight.next(), revoked);
  for (const wire of [straight, relayed]) {
    wire.send(connectPacket(userId, seconds(-1)));
    assert.match(await wire.next(), revoked);
    wire.send(connectPacket(userId, seconds(1)));
    assert.match(await wire.next(), /^40\{/);
    await wire.close();
  }
});

test("a polling session from before the revocation", async () => {
  const userId = "polling";
  const sid = await openSession(server, PATH);
  await revoke(userId);
  assert.deepEqual(await post(server, PATH, sid, connectPacket(userId)), [200, "ok"]);
  assert.match((await poll(server, PATH, sid))[1], revoked);
  await post(server, PATH, sid, connectPacket(userId, seconds(1)));
  assert.match((await poll(server, PATH, sid))[1], /^40\{/);
});

test("a CONNECT that waits for room while the user's tokens are revoked", async () => {
  const userId = "crowded";
  const wires = [];
  for (let left = 4; left > 0; left -= 1) {
    const wire = await openWire(server, PATH);
    wire.send(connectPacket(userId));
    assert.match(await wire.next(), /^40\{/);
    wires.push(wire);
  }
  const late = await openWire(server, PATH);
  late.send(connectPacket(userId));
  // The others are asked whether they are still there.
  for (const wire of wires) assert.equal(await wire.next(), "2");
  assert.deepEqual((await revoke(userId)).body, { disconnected: 4 });
  assert.match(await late.next(), revoked);
});

test("what services do on behalf of the user goes on", async () => {
  await server.addUser("spoken-for");
  await server.addUser("spoken-to");
  await revoke("spoken-for");
  const { status } = await call("POST", "messages", {
    senderId: "spoken-for",
    receiverId: "spoken-to",
    messageType: "text",
    content: { text: "from the backend" },
  });
  assert.equal(status, 201);
});

test("an older token does not make an erased user again", async () => {
  const userId = "erased";
  const row = () =>
    server.db.prepare("SELECT name FROM users WHERE user_id = ?").bind(userId).first("name");
  const old = { iat: seconds(-60), name: "Old" };
  assert.equal(await refusalOf(userId, old), "");
  assert.equal(await row(), "Old");
  assert.equal((await call("DELETE", `users/${userId}`)).status, 204);
  for (const way of ways) assert.equal(await refusalOf(userId, old, way), "token_revoked", way);
  await server.evict(userId, "close");
  assert.equal(await refusalOf(userId, { name: "Old" }), "token_revoked");
  assert.equal(await row(), null);

  // The backend makes the user again. Only tokens from after the erasure count.
  assert.equal((await call("PUT", `users/${userId}`, { name: "New" })).status, 200);
  assert.equal(await refusalOf(userId, old), "token_revoked");
  assert.equal(await refusalOf(userId, { ...nextSecond(), name: "Other" }), "");
  assert.equal(await until(row, "the row"), "New");
});
