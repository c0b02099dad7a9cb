// The object is evicted but keeps its sockets, as when it hibernates: the next event still works.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import {
  closeAll,
  connect,
  contractor,
  optionsOf,
  sendText,
  statusOf,
  until,
  upgraded,
  ways,
} from "./support/clients.ts";
import { Wire } from "./support/fixture.ts";
import { Network, closeNetworks } from "./support/proxy.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

let server: Server;
before(async () => {
  server = await startServer();
});
afterEach(() => {
  closeAll();
  closeNetworks();
});
after(() => server.close());

for (const name of ways) {
  test(`events and messages after hibernation, ${name}`, async () => {
    const userId = `sleeper ${name}`;
    const socket = await connect(server, userId, optionsOf(name, server, userId));
    if (name === "default") await upgraded(socket);
    await server.evict(userId, "hibernate");
    assert.equal((await statusOf(socket, userId)).connectionCount, 1);

    const sender = await contractor(server);
    await server.evict(userId, "hibernate");
    await server.evict("contractor1", "hibernate");
    const result = await sendText(sender, [userId], "good morning");
    assert.equal(result.results[0].delivered, true);
    await until(() => socket.texts.length > 0, "the message");
    assert.deepEqual(socket.texts, ["good morning"]);

    await server.evict(userId, "hibernate");
    socket.close();
    const observer = await connect(server, "observer");
    await until(async () => !(await statusOf(observer, userId)).isOnline, "offline");
  });
}

test("hibernation in the middle of an upgrade", async () => {
  const sender = await contractor(server);
  for (let round = 0; round < 5; round++) {
    const userId = `upgrading ${round}`;
    const socket = await connect(server, userId, { reconnection: true, reconnectionDelay: 10 });
    await server.evict(userId, "hibernate");
    await until(async () => {
      const result = await sendText(sender, [userId], `message ${round}`);
      return result.results[0].delivered;
    }, "a delivery");
    await until(() => socket.texts.includes(`message ${round}`), "the message");
  }
});

test("memory lost during a CONNECT on a connection that had joined before", async () => {
  const small = await startServer({
    vars: { MAX_CONNECTIONS_PER_USER: "1", PING_INTERVAL_MS: "3000", PING_TIMEOUT_MS: "3000" },
  });
  const wire = new Wire(small, "/socket.io", undefined, { token: small.token("rejoining") });
  assert.match(await wire.next(), /^0\{/);
  wire.send("40");
  assert.match(await wire.nextEvent(), /^40\{/);
  wire.send("41");

  // Another connection takes its slot and falls silent, so the next CONNECT waits for that one's pong.
  const network = await Network.open(small, 0);
  await connect(network, "rejoining", optionsOf("websocket only", network, "rejoining"));
  network.fallSilent();
  wire.send("40");
  await until(() => network.held().length > 0, "the ping");
  await small.evict("rejoining", "hibernate");
  // The pending CONNECT is lost, so the server closes the socket to make the client reconnect.
  assert.equal((await wire.closed).wasClean, true);
  await small.close();
});
