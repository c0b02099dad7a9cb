// The wasm panics or traps, which should never happen: what runs in that isolate goes on with a fresh instance.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { calm, joinedWire, openSession, poll, post, startFixture } from "./support/fixture.ts";
import type { Fixture } from "./support/fixture.ts";

let server: Fixture;
before(async () => {
  server = await startFixture(calm);
});
after(() => server.close());

test("the Worker, the gateways and other users' objects are served by a fresh instance", async () => {
  const [broken, other] = await Promise.all([joinedWire(server), joinedWire(server)]);
  const sid = await openSession(server, "/engine.io");
  await post(server, "/engine.io", sid, "4before");
  assert.deepEqual(await poll(server, "/engine.io", sid), [200, "4before"]);

  broken.send('42["trap"]');
  await broken.closed;

  // An object keeps its sockets, as after an eviction.
  other.send('42["message","still here"]');
  assert.equal(await other.nextEvent(), '42["message-back","still here"]');
  // A gateway keeps nothing, so its client opens a new session.
  assert.equal((await poll(server, "/engine.io", sid))[0], 400);
  const again = await joinedWire(server);
  again.send('42["message","new"]');
  assert.equal(await again.nextEvent(), '42["message-back","new"]');
  await Promise.all([other.close(), again.close()]);
});
