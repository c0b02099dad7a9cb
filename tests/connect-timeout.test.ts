// A client that sends no valid CONNECT within CONNECT_TIMEOUT_MS is disconnected, wherever its session lives.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { until } from "./support/clients.ts";
import { Wire, openSession, openWire, poll, post, probingWire } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PATH = "/socket.io";
const TIMEOUT = 1_500;
/** Well below the default of 45 seconds, but late enough for a slow machine. */
const TOO_LATE = 20_000;

let server: Server;
before(async () => {
  server = await startServer({ vars: { CONNECT_TIMEOUT_MS: `${TIMEOUT}` } });
});
after(() => server.close());

const connect = (token: string) => `40${JSON.stringify({ token })}`;

async function takesItsTime(from: number, ended: Promise<unknown>) {
  await Promise.race([ended, pause(TOO_LATE)]);
  const waited = Date.now() - from;
  // The margin allows for two different clocks.
  assert.ok(waited > TIMEOUT - 100 && waited < TOO_LATE, `${waited} ms`);
}

/** Polls until the session is unknown. */
const isOver = (sid: string) =>
  until(async () => (await poll(server, PATH, sid))[0] === 400, "the session's end", TOO_LATE);

async function closesOnTime(open: () => Promise<Wire>) {
  const from = Date.now();
  const wire = await open();
  await takesItsTime(from, wire.closed);
}

test("no CONNECT comes", { concurrency: true }, async (t) => {
  await Promise.all([
    t.test("on a WebSocket through the relay", () => closesOnTime(() => openWire(server, PATH))),
    t.test("on a WebSocket that goes straight to the object", () =>
      closesOnTime(async () => {
        const wire = new Wire(server, PATH, undefined, { token: server.token("direct") });
        assert.match(await wire.next(), /^0\{/);
        // The local runtime is slow to close a WebSocket that has never sent anything.
        wire.send("40/nowhere,");
        assert.match(await wire.next(), /^44\/nowhere,/);
        return wire;
      }),
    ),
    t.test("on a WebSocket that has taken over a session from the lobby", () =>
      closesOnTime(async () => {
        const wire = await probingWire(server, PATH, await openSession(server, PATH));
        wire.send("5");
        return wire;
      }),
    ),
    t.test("by polling, while a GET waits", async () => {
      const from = Date.now();
      const sid = await openSession(server, PATH);
      await takesItsTime(from, poll(server, PATH, sid));
      await isOver(sid);
    }),
    t.test("by polling, and no GET waits", async () => {
      const from = Date.now();
      const sid = await openSession(server, PATH);
      const isKnown = async () => (await post(server, PATH, sid, "3"))[0] === 200;
      const over = until(async () => !(await isKnown()), "the session's end", TOO_LATE);
      await takesItsTime(from, over);
    }),
  ]);
});

test("a refused CONNECT does not extend the timeout", { concurrency: true }, async (t) => {
  await Promise.all([
    t.test("on a WebSocket", () =>
      closesOnTime(async () => {
        const wire = await openWire(server, PATH);
        const tries = setInterval(() => wire.send(connect("bad")), 200);
        void wire.closed.then(() => clearInterval(tries));
        assert.match(await wire.next(), /^44\{/);
        return wire;
      }),
    ),
    t.test("by polling", async () => {
      const from = Date.now();
      const sid = await openSession(server, PATH);
      const isKnown = async () => (await post(server, PATH, sid, connect("bad")))[0] === 200;
      // Slowly enough not to exceed the limit of refusals.
      const over = (async () => {
        while (await isKnown()) await pause(200);
      })();
      await takesItsTime(from, over);
    }),
  ]);
});

test("a client that connects in time stays connected", { concurrency: true }, async (t) => {
  const ask = '421["get_online_status",{"userId":"somebody"}]';
  await Promise.all([
    t.test("on a WebSocket", async () => {
      const wire = await openWire(server, PATH);
      wire.send(connect(server.token("in-time")));
      assert.match(await wire.next(), /^40\{/);
      // The duration is under test.
      await pause(TIMEOUT * 2);
      wire.send(ask);
      assert.match(await wire.next(), /^42\["user_online_status"/);
      await wire.close();
    }),
    t.test("by polling", async () => {
      const sid = await openSession(server, PATH);
      await post(server, PATH, sid, connect(server.token("in-time-too")));
      assert.match((await poll(server, PATH, sid))[1], /^40\{/);
      await pause(TIMEOUT * 2);
      await post(server, PATH, sid, ask);
      assert.match((await poll(server, PATH, sid))[1], /^42\["user_online_status"/);
    }),
  ]);
});
