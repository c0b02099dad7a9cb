// Forbidden packets end a session over polling, too. The POST that carries one may be answered before the
// object has checked the packet; soon afterwards the session is unknown.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { until } from "./support/clients.ts";
import { calm, openSession, poll, post, startFixture } from "./support/fixture.ts";
import type { Fixture } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PATH = "/socket.io";
const ATTACHED = '{"_placeholder":true,"num":0}';

let fixture: Fixture;
let server: Server;
before(async () => {
  // With the fixture's short heartbeat, a timeout could be mistaken for the expected close.
  fixture = await startFixture(calm);
  server = await startServer();
});
after(() => Promise.all([fixture.close(), server.close()]));

type Host = Fixture | Server;

/** Polls until packets matching all of these have arrived, in this order. */
async function polled(sid: string, ...expected: RegExp[]) {
  const packets: string[] = [];
  while (packets.length < expected.length) {
    const [status, body] = await poll(fixture, PATH, sid);
    assert.equal(status, 200);
    packets.push(...body.split("\x1e"));
  }
  assert.equal(packets.length, expected.length);
  expected.forEach((pattern, index) => assert.match(packets[index], pattern));
}

/** Opens a session that has joined the main namespace and received everything queued for it. */
async function joined() {
  const sid = await openSession(fixture, PATH);
  await post(fixture, PATH, sid, "40");
  await polled(sid, /^40\{/, /^42\["auth"/);
  return sid;
}

const isRefused = (host: Host, sid: string) =>
  until(async () => (await post(host, PATH, sid, "3"))[0] === 400, "the session's end");

/** Asserts that this payload ends the session, and that a pending GET is answered without a result. */
async function ends(host: Host, sid: string, payload: string) {
  const waiting = poll(host, PATH, sid);
  await post(host, PATH, sid, payload);
  const [, body] = await waiting;
  assert.doesNotMatch(body, /message-back|43|46/);
  await isRefused(host, sid);
  assert.equal((await poll(host, PATH, sid))[0], 400);
}

const closing = {
  "an unknown packet type": "4abc",
  "a payload that is not an array": "42{}",
  "a bad ack id": '42abc["message"]',
  "a bad ack id in an ack": "43abc[]",
  "a second CONNECT": "40",
  "an event for a namespace that was not joined": '42/custom,["message"]',
  "more than ten attachments": '4511-["message"]',
  "text where an attachment was expected": `451-["message",${ATTACHED}]\x1e42["message"]`,
  "an attachment where none was expected": "bAQ==",
  ...Object.fromEntries(
    [
      "connect",
      "connect_error",
      "disconnect",
      "disconnecting",
      "newListener",
      "removeListener",
    ].map((name) => [`the reserved event ${name}`, `42["${name}"]`]),
  ),
};

for (const [what, payload] of Object.entries(closing)) {
  test(`closed after ${what}`, async () => ends(fixture, await joined(), payload));
}

test("closed after text in a later POST where an attachment was expected", async () => {
  const sid = await joined();
  assert.deepEqual(await post(fixture, PATH, sid, `451-["message",${ATTACHED}]`), [200, "ok"]);
  await ends(fixture, sid, '42["message"]');
});

test("closed after an event before the CONNECT", async () => {
  for (const host of [fixture, server]) {
    await ends(host, await openSession(host, PATH), '42["message"]');
  }
});

test("valid packets in several POSTs do not close the session", async () => {
  const sid = await joined();
  await post(fixture, PATH, sid, `451-["message",${ATTACHED}]`);
  await post(fixture, PATH, sid, "bAQ==");
  await polled(sid, /^451-\["message-back"/, /^bAQ==$/);
  await post(fixture, PATH, sid, '42["message",1]\x1e42["message",2]');
  await polled(sid, /^42\["message-back",1\]$/, /^42\["message-back",2\]$/);
});
