// A client that opens its WebSocket before it sends a CONNECT, as python-socketio does.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { Wire, openSession, poll, post, probingWire } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PATH = "/socket.io";

let server: Server;
before(async () => {
  server = await startServer();
});
after(() => server.close());

const connect = (userId: string) => `40${JSON.stringify({ token: server.token(userId) })}`;
const ask = (userId: string) => `421["get_online_status",{"userId":"${userId}"}]`;

const probed = (sid: string) => probingWire(server, PATH, sid);

async function works(wire: Wire, userId: string) {
  wire.send(ask(userId));
  assert.match(await wire.next(), /^42\["user_online_status",.*"connectionCount":1\}\]$/);
  assert.match(await wire.next(), /^431\[/);
}

test("upgrade first, CONNECT on the WebSocket", async () => {
  const sid = await openSession(server, PATH);
  const waiting = poll(server, PATH, sid);
  const wire = await probed(sid);
  assert.deepEqual(await waiting, [200, "6"]);
  wire.send("5", connect("early"));
  assert.match(await wire.next(), /^40\{/);
  await works(wire, "early");
  assert.equal((await poll(server, PATH, sid))[0], 400);
  await wire.close();
});

test("packets queued for polling are not lost", async () => {
  const sid = await openSession(server, PATH);
  await post(server, PATH, sid, '40/random,\x1e40{"token":"bad"}');
  const wire = await probed(sid);
  wire.send("5");
  assert.match(await wire.next(), /^44\/random,/);
  assert.match(await wire.next(), /^44\{"message":"The token is not valid"/);
  wire.send(connect("second-try"));
  assert.match(await wire.next(), /^40\{/);
  await works(wire, "second-try");
  await wire.close();
});

test("a CONNECT posted while the WebSocket probes", async () => {
  const sid = await openSession(server, PATH);
  const wire = await probed(sid);
  assert.deepEqual(await post(server, PATH, sid, connect("crossing")), [200, "ok"]);
  wire.send("5");
  assert.match(await wire.next(), /^40\{/);
  await works(wire, "crossing");
  assert.equal((await poll(server, PATH, sid))[0], 400);
  await wire.close();
});

test("polling continues after an abandoned probe", async () => {
  const sid = await openSession(server, PATH);
  const wire = await probed(sid);
  await wire.close();
  await post(server, PATH, sid, connect("stays"));
  let body = "";
  // Until the server notices that the probe was abandoned, it answers GETs with a noop.
  while (!body.startsWith("40")) {
    const [status, text] = await poll(server, PATH, sid);
    assert.equal(status, 200);
    if (text !== "6") body = text;
  }
});
