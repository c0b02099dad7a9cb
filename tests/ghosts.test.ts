// Clients that vanish silently go offline in time; lastSeen is the time of their last packet.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import * as client from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { Wire, openSession, poll, post } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

// A long timeout leaves room for late alarms on a busy machine.
const SILENCE = 1_000 + 4_000;
const PATH = "/socket.io";

let server: Server;
let observer: Client;
before(async () => {
  server = await startServer({ vars: { PING_INTERVAL_MS: "1000", PING_TIMEOUT_MS: "4000" } });
  observer = await connect("contractor1", { role: "contractor" });
});
after(async () => {
  client.closeAll();
  await server.close();
});

const connect = (userId: string, claims?: object) =>
  client.connect(server, userId, { transports: ["websocket"], claims });

const status = (userId: string) => client.statusOf(observer, userId);
const join = (userId: string) => `40${JSON.stringify({ token: server.token(userId) })}`;

/** Asserts that the user goes offline in time with lastSeen at `heardAt`. */
async function vanishes(userId: string, heardAt: number) {
  assert.equal((await status(userId)).isOnline, true);
  let seen;
  do {
    await pause(50);
    seen = await status(userId);
  } while (seen.isOnline);
  const after = Date.now() - heardAt;
  assert.ok(after > SILENCE - 500 && after < SILENCE + 1_000, `offline after ${after} ms`);
  const error = Math.abs(Date.parse(seen.lastSeen ?? "") - heardAt);
  assert.ok(error < 300, `last seen ${error} ms off`);
  // It does not change when the socket is closed later.
  await pause(SILENCE);
  assert.deepEqual(await status(userId), seen);
}

test("clients that fall silent", { concurrency: true }, async (t) => {
  await Promise.all([
    t.test("a WebSocket that answers once and then no more", async () => {
      const wire = new Wire(server, PATH);
      await wire.next();
      wire.send(join("silent"));
      assert.match(await wire.next(), /^40/);
      assert.equal(await wire.next(), "2");
      wire.send("3");
      await vanishes("silent", Date.now());
    }),
    t.test("a WebSocket that goes straight to the object", async () => {
      const token = encodeURIComponent(server.token("direct"));
      const socket = new WebSocket(
        `${server.url.replace("http", "ws")}${PATH}/?EIO=4&transport=websocket&token=${token}`,
      );
      const joined = new Promise<void>((resolve) => {
        socket.onmessage = ({ data }) => {
          if (data.startsWith("0")) socket.send("40");
          if (data.startsWith("40")) resolve();
        };
      });
      await joined;
      await vanishes("direct", Date.now());
      socket.close();
    }),
    t.test("a client that stops polling", async () => {
      const sid = await openSession(server, PATH);
      await post(server, PATH, sid, join("poller"));
      const heardAt = Date.now();
      assert.match((await poll(server, PATH, sid))[1], /^40/);
      await vanishes("poller", heardAt);
      assert.equal((await poll(server, PATH, sid))[0], 400);
    }),
  ]);
});
