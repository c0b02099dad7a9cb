// The connection limit never locks out a user because of dead connections: silent ones are replaced by a new
// one, and live ones are never closed.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import * as client from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { Wire } from "./support/fixture.ts";
import { Network, closeNetworks } from "./support/proxy.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const MAX = 3;
/** How long replacing a silent connection may take. */
const A_FEW_SECONDS = 5_000;

let server: Server;
let sender: Client;
before(async () => {
  server = await startServer({ vars: { MAX_CONNECTIONS_PER_USER: `${MAX}` } });
  sender = await client.contractor(server);
});
after(async () => {
  client.closeAll();
  closeNetworks();
  await server.close();
});

/** Opens the maximum number of connections for the user, each through a separate network. */
async function fullHouse(userId: string, way: string) {
  const open = async () => {
    const network = await Network.open(server, 100);
    const socket = await client.connect(network, userId, client.optionsOf(way, network, userId));
    if (way === "default") await client.upgraded(socket);
    return { network, socket };
  };
  return Promise.all(Array.from({ length: MAX }, open));
}

const connect = (userId: string) => client.connect(server, userId, { transports: ["websocket"] });

async function getsIn(userId: string) {
  const begun = Date.now();
  const newcomer = await connect(userId);
  const took = Date.now() - begun;
  assert.ok(took < A_FEW_SECONDS, `in after ${took} ms`);
  // Exactly one connection was replaced.
  assert.equal((await client.statusOf(sender, userId)).connectionCount, MAX);
  return newcomer;
}

async function allGet(userId: string, sockets: Client[]) {
  await client.sendText(sender, [userId], "to all devices");
  await client.until(() => sockets.every(({ texts }) => texts.length === 1), "everyone's copy");
  assert.ok(sockets.every(({ connected }) => connected));
}

async function allAreSilent(way: string) {
  const userId = `silent ${way}`;
  for (const { network } of await fullHouse(userId, way)) network.fallSilent();
  await allGet(userId, [await getsIn(userId)]);
}

async function oneIsSilent(way: string) {
  const userId = `one silent ${way}`;
  const [silent, ...live] = await fullHouse(userId, way);
  silent.network.fallSilent();
  const newcomer = await getsIn(userId);
  await allGet(userId, [...live.map(({ socket }) => socket), newcomer]);
}

async function noneIsSilent(way: string) {
  const userId = `live ${way}`;
  const devices = await fullHouse(userId, way);
  await assert.rejects(connect(userId), (error: client.Refused) => {
    assert.deepEqual(error.data, { code: "too_many" });
    return true;
  });
  await allGet(
    userId,
    devices.map(({ socket }) => socket),
  );
}

const cases = { "all are silent": allAreSilent, "one is": oneIsSilent, "none is": noneIsSilent };

test("one connection more than the limit", { concurrency: true, timeout: 60_000 }, async (t) => {
  const tests = Object.entries(cases).flatMap(([when, act]) =>
    client.ways.map((way) => t.test(`${when}, ${way}`, () => act(way))),
  );
  await Promise.all(tests);
});

test("what a client sends while room is looked for is heard, even if there is none", async () => {
  for (let count = 0; count < MAX; count++) await connect("crowd");
  const wire = new Wire(server, "/socket.io", undefined, { token: server.token("crowd") });
  assert.match(await wire.next(), /^0\{/);
  wire.send("40", "40");
  for (const _ of ["the first", "the second"])
    assert.match(await wire.nextEvent(), /^44.*"too_many"/);
  await wire.close();
});
