// An interrupted recovery continues where it stopped: the client gets exactly the events that it missed.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import test, { after, before } from "node:test";

import * as client from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { Network, closeNetworks } from "./support/proxy.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

/** 60 incompressible texts of 400 characters, some 40 kB with their envelopes. */
const missed = Array.from({ length: 60 }, (_, n) => `${n} ${randomBytes(300).toString("base64")}`);
/** This cut is after the handshake and in the middle of the missed events. */
const BYTES_TO_CUT = 8_000;
const inShort = (texts: string[]) => texts.map((text) => text.split(" ")[0]).join(" ");

let server: Server;
let sender: Client;
before(async () => {
  server = await startServer({ vars: { MAX_EVENTS_PER_SECOND: "0" } });
  sender = await client.contractor(server);
});
after(async () => {
  client.closeAll();
  closeNetworks();
  await server.close();
});

const has = (socket: Client, text: string) =>
  client.until(() => socket.texts.includes(text), `"${text}"`);

/** Connects a client through a separate network, sends it one message, and then cuts the network. */
async function lostClient(way: string) {
  const userId = `cut ${way}`;
  const network = await Network.open(server, 10);
  const socket = await client.connect(network, userId, {
    ...client.optionsOf(way, network, userId),
    reconnection: true,
    reconnectionDelay: 100,
    reconnectionDelayMax: 100,
  });
  if (way === "default") await client.upgraded(socket);
  await client.sendText(sender, [userId], "first");
  await has(socket, "first");
  const { id } = socket;
  network.isDown = true;
  const gone = client.next(socket, "disconnect");
  network.cut();
  await gone;
  return { way, userId, network, socket, id };
}

type Lost = Awaited<ReturnType<typeof lostClient>>;

async function isCutThreeTimes({ userId, network, socket, id }: Lost) {
  for (let cut = 0; cut < 3; cut++) {
    const isCut = network.cutAfter(BYTES_TO_CUT);
    const goneAgain = client.next(socket, "disconnect");
    network.isDown = false;
    await isCut;
    network.isDown = true;
    await goneAgain;
  }
  network.isDown = false;
  await client.sendText(sender, [userId], "last");
  await has(socket, "last");
  assert.deepEqual([socket.recovered, socket.id], [true, id]);
  assert.equal(inShort(socket.texts), inShort(["first", ...missed, "last"]));
}

test("a recovery is cut three times", { concurrency: true, timeout: 60_000 }, async (t) => {
  const all = await Promise.all(client.ways.map(lostClient));
  const userIds = all.map(({ userId }) => userId);
  for (const text of missed) await client.sendText(sender, userIds, text);
  await Promise.all(all.map((lost) => t.test(lost.way, () => isCutThreeTimes(lost))));
});
