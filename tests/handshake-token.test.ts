// A token that only the polling handshake carries, as with python-socketio's headers, applies to the whole
// session: over polling and after an upgrade.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { Wire, poll, polling, post, probingWire } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PATH = "/socket.io";

let server: Server;
before(async () => {
  server = await startServer();
});
after(() => server.close());

/** Where a request may carry a token: returns what to append to the URL, and the headers. */
type Place = (token: string) => [query: string, headers: Record<string, string>];
const places: Record<string, Place> = {
  header: (token) => ["", { Authorization: `Bearer ${token}` }],
  URL: (token) => [`&token=${encodeURIComponent(token)}`, {}],
};

/** Opens a session with a handshake that carries this token. Returns the sid. */
async function openWith(token: string, place: Place = places.header): Promise<string> {
  const [query, headers] = place(token);
  const response = await fetch(polling(server, PATH) + query, { headers });
  assert.equal(response.status, 200);
  return JSON.parse((await response.text()).slice(1)).sid;
}

const expired = (userId: string) => server.token(userId, { exp: Date.now() / 1000 - 60 });

/** Returns the body of the next GET. */
async function polled(sid: string) {
  const [status, body] = await poll(server, PATH, sid);
  assert.equal(status, 200, body);
  return body;
}

async function connects(sid: string, connect = "40") {
  assert.deepEqual(await post(server, PATH, sid, connect), [200, "ok"]);
  return polled(sid);
}

const ask = (userId: string) => `421["get_online_status",{"userId":"${userId}"}]`;
const isOnline = /^42\["user_online_status",.*"connectionCount":1\}\]/;

for (const [name, place] of Object.entries(places)) {
  test(`a token only in the ${name} of the handshake`, async () => {
    const sid = await openWith(server.token(`by-${name}`), place);
    assert.match(await connects(sid), /^40\{/);
    assert.deepEqual(await post(server, PATH, sid, ask(`by-${name}`)), [200, "ok"]);
    assert.match(await polled(sid), isOnline);
    await post(server, PATH, sid, "1");
  });

  test(`a bad token in the ${name} is reported in the reply to the CONNECT`, async () => {
    const sid = await openWith(expired("late"), place);
    assert.equal(
      await connects(sid),
      '44{"message":"The token has expired","data":{"code":"token_expired"}}',
    );
    const other = await openWith("nonsense", place);
    assert.match(await connects(other), /^44\{"message":"The token is not valid"/);
    // The client may retry with another token.
    const connect = `40${JSON.stringify({ token: server.token("second-try") })}`;
    assert.match(await connects(other, connect), /^40\{/);
    await post(server, PATH, other, "1");
  });
}

test("the CONNECT's own token takes precedence, then that of its request", async () => {
  const whose = async (sid: string, userId: string) => {
    assert.deepEqual(await post(server, PATH, sid, ask(userId)), [200, "ok"]);
    assert.match(await polled(sid), isOnline, userId);
    await post(server, PATH, sid, "1");
  };
  for (const token of [server.token("handshake"), expired("handshake")]) {
    const own = await openWith(token);
    assert.match(await connects(own, `40${JSON.stringify({ token: server.token("own") })}`), /^40/);
    await whose(own, "own");

    const request = await openWith(token);
    const headers = { Authorization: `Bearer ${server.token("request")}` };
    await fetch(polling(server, PATH, request), { method: "POST", body: "40", headers });
    assert.match(await polled(request), /^40\{/);
    await whose(request, "request");
  }
  const bad = await openWith(server.token("handshake"));
  assert.match(await connects(bad, '40{"token":"nonsense"}'), /^44\{"message":"The token is not/);
});

test("after an upgrade", async () => {
  const sid = await openWith(server.token("upgraded"));
  assert.match(await connects(sid), /^40\{/);
  const wire = await probingWire(server, PATH, sid);
  wire.send("5", ask("upgraded"));
  assert.match(await wire.next(), isOnline);
  await wire.close();
});

test("a CONNECT on the WebSocket that upgrades, as python-socketio sends it", async () => {
  const sid = await openWith(server.token("lobby"));
  const wire = await probingWire(server, PATH, sid);
  wire.send("5", "40");
  assert.match(await wire.next(), /^40\{/);
  wire.send(ask("lobby"));
  assert.match(await wire.next(), isOnline);
  await wire.close();

  const late = await openWith(expired("lobby"));
  const other = await probingWire(server, PATH, late);
  other.send("5", "40");
  assert.match(await other.next(), /^44\{"message":"The token has expired"/);
  other.send(`40${JSON.stringify({ token: server.token("lobby") })}`);
  assert.match(await other.next(), /^40\{/);
  await other.close();
});

test("the WebSocket's own token takes precedence over the handshake's", async () => {
  const sid = await openWith(expired("two-tokens"));
  const wire = new Wire(server, PATH, sid, { token: server.token("two-tokens") });
  await wire.opened;
  wire.send("2probe");
  assert.equal(await wire.next(), "3probe");
  wire.send("5", "40");
  assert.match(await wire.next(), /^40\{/);
  await wire.close();
});

test("if the token is lost with the gateway's memory, the client opens a new session", async () => {
  // The sid contains the gateway's name: the data centre and the shard.
  const sid = await openWith(server.token("forgotten"));
  const bytes = Buffer.from(sid, "base64url");
  const name = `${bytes.toString("latin1", 0, 3)}-${bytes[3]}`;
  await server.worker.evictDurableObject("POLLING_GATEWAY", { name, webSockets: "close" });
  assert.deepEqual(await post(server, PATH, sid, "40"), [
    400,
    '{"code":1,"message":"Session ID unknown"}',
  ]);
  const again = await openWith(server.token("forgotten"));
  assert.match(await connects(again), /^40\{/);
  await post(server, PATH, again, "1");
});
