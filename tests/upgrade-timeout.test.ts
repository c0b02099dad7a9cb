// A WebSocket that requests a session's upgrade and then falls silent is closed after UPGRADE_TIMEOUT_MS. The
// session continues polling, and another WebSocket can take it over.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { until } from "./support/clients.ts";
import {
  Wire,
  calm,
  openSession,
  poll,
  post,
  probingWire,
  startFixture,
} from "./support/fixture.ts";
import type { Fixture } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const ENGINE = "/engine.io";
const SOCKET = "/socket.io";

const TIMEOUT = 1_500;
/** Below the default of ten seconds, which would apply if the variable were ignored. */
const TOO_LATE = 9_000;

let fixture: Fixture;
let server: Server;
before(async () => {
  const vars = { ...calm, UPGRADE_TIMEOUT_MS: `${TIMEOUT}` };
  fixture = await startFixture(vars);
  server = await startServer({ vars });
});
after(() => Promise.all([fixture.close(), server.close()]));

type Host = Fixture | Server;

/** Opens a WebSocket that has not probed. */
async function mute(host: Host, path: string, sid: string) {
  const wire = new Wire(host, path, sid);
  await wire.opened;
  return wire;
}

async function isLetGo(openWire: () => Promise<Wire>) {
  const from = Date.now();
  const wire = await openWire();
  await Promise.race([wire.closed, pause(TOO_LATE)]);
  const waited = Date.now() - from;
  // The margin allows for two different clocks.
  assert.ok(waited > TIMEOUT - 100 && waited < TOO_LATE, `${waited} ms`);
}

/** Polls for the next body that is not a noop: the server may not yet know that the WebSocket has closed. */
async function nextPolled(host: Host, path: string, sid: string) {
  for (;;) {
    const [status, body] = await poll(host, path, sid);
    assert.equal(status, 200);
    if (body !== "6") return body;
  }
}

/** Upgrades with a second WebSocket; retries while it is refused because the first one is still closing. */
async function upgrades(host: Host, path: string, sid: string, hello: string) {
  const wire = await until(async () => {
    const probing = await mute(host, path, sid);
    probing.send("2probe");
    const closed = probing.closed.then(() => null);
    return (await Promise.race([probing.next(), closed])) === "3probe" && probing;
  }, "a second probe");
  wire.send("5", hello);
  const answer = await wire.next();
  await wire.close();
  return answer;
}

/** Asserts that the session still works over polling and can upgrade. */
async function isThere(sid: string, userId: string) {
  await post(server, SOCKET, sid, ask(userId));
  assert.match(await nextPolled(server, SOCKET, sid), /"connectionCount":1/);
  assert.match(await upgrades(server, SOCKET, sid, ask(userId)), /"connectionCount":1/);
}

const connect = (userId: string) => `40${JSON.stringify({ token: server.token(userId) })}`;
const ask = (userId: string) => `42["get_online_status",{"userId":"${userId}"}]`;

test("silent after its probe", { concurrency: true }, async (t) => {
  await Promise.all([
    t.test("a session that an object serves from the start", async () => {
      const sid = await openSession(fixture, ENGINE);
      await isLetGo(() => probingWire(fixture, ENGINE, sid));
      await post(fixture, ENGINE, sid, "4still here");
      assert.equal(await nextPolled(fixture, ENGINE, sid), "4still here");
      assert.equal(await upgrades(fixture, ENGINE, sid, "4hello"), "4hello");
    }),
    t.test("after a CONNECT over polling", async () => {
      const sid = await openSession(server, SOCKET);
      await post(server, SOCKET, sid, connect("joined"));
      assert.match(await nextPolled(server, SOCKET, sid), /^40\{/);
      await isLetGo(() => probingWire(server, SOCKET, sid));
      await isThere(sid, "joined");
    }),
  ]);
});

// In the lobby, the relay enforces the timeout, both before and after a probe.
const ways = { "after its probe": probingWire, "without a probe": mute };

for (const [way, openWire] of Object.entries(ways)) {
  test(`in the lobby, silent ${way}`, { concurrency: true }, async (t) => {
    await Promise.all([
      t.test("no CONNECT was posted before its end", async () => {
        const userId = `lobby ${way}`;
        const sid = await openSession(server, SOCKET);
        await isLetGo(() => openWire(server, SOCKET, sid));
        await post(server, SOCKET, sid, connect(userId));
        assert.match(await nextPolled(server, SOCKET, sid), /^40\{/);
        await isThere(sid, userId);
      }),
      t.test("a CONNECT was posted before its end", async () => {
        const userId = `meanwhile ${way}`;
        const sid = await openSession(server, SOCKET);
        await isLetGo(async () => {
          const wire = await openWire(server, SOCKET, sid);
          await post(server, SOCKET, sid, connect(userId));
          return wire;
        });
        assert.match(await nextPolled(server, SOCKET, sid), /^40\{/);
        await isThere(sid, userId);
      }),
    ]);
  });
}
