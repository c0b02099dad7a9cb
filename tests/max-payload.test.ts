// The handshake announces MAX_PAYLOAD_BYTES: the size of the largest frame and POST body that a client may
// send. One byte more is refused everywhere.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import {
  Wire,
  calm,
  openSession,
  openWire,
  poll,
  polling,
  post,
  startFixture,
} from "./support/fixture.ts";
import type { Fixture } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const ENGINE = "/engine.io";
const SOCKET = "/socket.io";
const MAX = 2_000;

let fixture: Fixture;
let server: Server;
before(async () => {
  const vars = { ...calm, MAX_PAYLOAD_BYTES: `${MAX}` };
  fixture = await startFixture(vars);
  server = await startServer({ vars });
});
after(() => Promise.all([fixture.close(), server.close()]));

/** Pads `text` to this length by replacing its `*` with `x`s. */
const padded = (text: string, length: number) =>
  text.replace("*", "x".repeat(length - text.length + 1));

const connect = (userId: string, length: number) =>
  padded(`40${JSON.stringify({ token: server.token(userId), pad: "*" })}`, length);
const ask = (length: number) => padded('421["get_online_status",{"userId":"a","pad":"*"}]', length);

async function isTooLarge(wire: Wire, frame: string | Uint8Array<ArrayBuffer>) {
  wire.send(frame);
  const { code, reason } = await wire.closed;
  assert.deepEqual([code, reason], [1009, "frame too large"]);
}

test("the handshake announces it", async () => {
  const body = await (await fetch(polling(server, SOCKET))).text();
  assert.equal(JSON.parse(body.slice(1)).maxPayload, MAX);
  const wire = new Wire(server, SOCKET);
  assert.equal(JSON.parse((await wire.next()).slice(1)).maxPayload, MAX);
  await wire.close();
});

test("text and binary frames", async () => {
  for (const larger of [`4${"x".repeat(MAX)}`, new Uint8Array(MAX + 1)]) {
    const wire = await openWire(fixture, ENGINE);
    wire.send(`4${"x".repeat(MAX - 1)}`);
    assert.equal((await wire.next()).length, MAX);
    wire.send(new Uint8Array(MAX));
    assert.equal((await wire.next<number[]>()).length, MAX);
    await isTooLarge(wire, larger);
  }
});

test("the CONNECT, through the relay", async () => {
  const wire = await openWire(server, SOCKET);
  wire.send(connect("relayed", MAX));
  assert.match(await wire.next(), /^40\{/);
  await wire.close();
  await isTooLarge(await openWire(server, SOCKET), connect("relayed", MAX + 1));
});

for (const way of ["through the relay", "straight to the object"]) {
  test(`an event ${way}`, async () => {
    const token = server.token("asker");
    const query: Record<string, string> = way === "through the relay" ? {} : { token };
    const wire = new Wire(server, SOCKET, undefined, query);
    assert.match(await wire.next(), /^0\{/);
    wire.send(connect("asker", MAX));
    assert.match(await wire.next(), /^40\{/);
    wire.send(ask(MAX));
    assert.match(await wire.next(), /^42\["user_online_status"/);
    assert.match(await wire.next(), /^431\[/);
    await isTooLarge(wire, ask(MAX + 1));
  });
}

test("a POST, before and after the CONNECT", async () => {
  // An oversized body ends the session, as an oversized frame ends a connection.
  const refused = await openSession(server, SOCKET);
  assert.equal((await post(server, SOCKET, refused, connect("poller", MAX + 1)))[0], 413);
  assert.equal((await poll(server, SOCKET, refused))[0], 400);

  const sid = await openSession(server, SOCKET);
  assert.deepEqual(await post(server, SOCKET, sid, connect("poller", MAX)), [200, "ok"]);
  assert.match((await poll(server, SOCKET, sid))[1], /^40\{/);
  assert.deepEqual(await post(server, SOCKET, sid, ask(MAX)), [200, "ok"]);
  assert.match((await poll(server, SOCKET, sid))[1], /^42\["user_online_status"/);
  assert.equal((await post(server, SOCKET, sid, ask(MAX + 1)))[0], 413);
  assert.equal((await poll(server, SOCKET, sid))[0], 400);
});
