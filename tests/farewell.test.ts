// A client that the server disconnects receives a DISCONNECT on the transport that it currently reads.
// Otherwise it would assume a lost transport and reconnect.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { openSession, poll, post, probingWire } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PATH = "/socket.io";

let server: Server;
before(async () => {
  server = await startServer();
});
after(() => server.close());

/** Opens a polling session that has connected and has no pending GET. */
async function joined(userId: string): Promise<string> {
  const sid = await openSession(server, PATH);
  await post(server, PATH, sid, `40${JSON.stringify({ token: server.token(userId) })}`);
  const [, body] = await poll(server, PATH, sid);
  assert.match(body, /^40\{/);
  return sid;
}

const admin = { aud: "switchboard", scope: "admin" };

async function disconnect(userId: string): Promise<number> {
  const response = await fetch(`${server.url}/v1/users/${userId}/disconnect`, {
    method: "POST",
    headers: { Authorization: `Bearer ${server.token("tests", admin)}` },
  });
  return (await response.json()).disconnected;
}

test("between two GETs: with the next one", async () => {
  const sid = await joined("poller");
  assert.equal(await disconnect("poller"), 1);
  // In separate responses: a client handles a close before other packets in the same response.
  assert.deepEqual(await poll(server, PATH, sid), [200, "41"]);
  assert.deepEqual(await poll(server, PATH, sid), [200, "1"]);
  assert.equal((await poll(server, PATH, sid))[0], 400);
});

test("in the middle of an upgrade: on the WebSocket, with its `5`", async () => {
  const sid = await joined("prober");
  const wire = await probingWire(server, PATH, sid);
  assert.equal(await disconnect("prober"), 1);
  wire.send("5");
  assert.equal(await wire.next(), "41");
  const { code, reason } = await wire.closed;
  assert.deepEqual([code, reason], [1000, "disconnected by the service"]);
});
