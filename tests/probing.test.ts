// While a WebSocket probes, its client may still be polling, and waits for its GET to end before it sends
// `5`. So every GET is answered at once, not only the first. Packets are sent in GET responses, because the
// client reads the WebSocket only after `5`.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { until } from "./support/clients.ts";
import { calm, openSession, poll, post, probingWire, startFixture } from "./support/fixture.ts";
import type { Fixture } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const ENGINE = "/engine.io";
const SOCKET = "/socket.io";
const GETS = 4;

let fixture: Fixture;
let server: Server;
before(async () => {
  // Otherwise a ping could answer a GET, too.
  fixture = await startFixture(calm);
  server = await startServer();
});
after(() => Promise.all([fixture.close(), server.close()]));

type Host = Fixture | Server;

async function answersEachGet(host: Host, path: string, sid: string) {
  for (let i = 0; i < GETS; i++) assert.deepEqual(await poll(host, path, sid), [200, "6"]);
}

/** Polls until packets other than noops are as long as `expected`, and compares them. */
async function polled(host: Host, path: string, sid: string, expected: string) {
  const bodies: string[] = [];
  await until(async () => {
    const [status, body] = await poll(host, path, sid);
    assert.equal(status, 200);
    if (body !== "6") bodies.push(body);
    return bodies.join("\x1e").length >= expected.length;
  }, `${expected} by GETs`);
  assert.equal(bodies.join("\x1e"), expected);
}

test("a session whose user is known", async () => {
  const sid = await openSession(fixture, ENGINE);
  const wire = await probingWire(fixture, ENGINE, sid);
  await answersEachGet(fixture, ENGINE, sid);
  assert.deepEqual(await post(fixture, ENGINE, sid, "4one\x1e4two\x1ebAwQ="), [200, "ok"]);
  await polled(fixture, ENGINE, sid, "4one\x1e4two\x1ebAwQ=");
  await answersEachGet(fixture, ENGINE, sid);
  // The first message on the WebSocket: nothing was sent on it before `5`.
  wire.send("5", "4three");
  assert.equal(await wire.next(), "4three");
  await wire.close();
});

test("a session in the lobby", async () => {
  const sid = await openSession(server, SOCKET);
  const wire = await probingWire(server, SOCKET, sid);
  await answersEachGet(server, SOCKET, sid);
  assert.deepEqual(await post(server, SOCKET, sid, "40/a,\x1e40/b,"), [200, "ok"]);
  const refusals = ["a", "b"].map((name) => `44/${name},{"message":"Invalid namespace"}`);
  await polled(server, SOCKET, sid, refusals.join("\x1e"));
  await answersEachGet(server, SOCKET, sid);
  wire.send("5", `40${JSON.stringify({ token: server.token("prober") })}`);
  assert.match(await wire.next(), /^40\{/);
  await wire.close();
});
