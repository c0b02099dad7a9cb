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

test("after a trap, the Worker, the gateways and the objects are served by a fresh instance", async () => {
  const broken = await joinedWire(server);
  const sid = await openSession(server, "/engine.io");
  await post(server, "/engine.io", sid, "4before");
  assert.deepEqual(await poll(server, "/engine.io", sid), [200, "4before"]);

  // The frames keep their order: without an answer to the second, the first has trapped.
  broken.send('42["trap"]', '42["message","too late"]');
  await assert.rejects(broken.next(2_000));

  for (let round = 0; round < 3; round++) {
    const wire = await joinedWire(server);
    wire.send(`42["message",${round}]`);
    assert.equal(await wire.nextEvent(), `42["message-back",${round}]`);
    await wire.close();
    const session = await openSession(server, "/engine.io");
    await post(server, "/engine.io", session, "4after");
    assert.deepEqual(await poll(server, "/engine.io", session), [200, "4after"]);
  }
});
