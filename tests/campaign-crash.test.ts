// The server is killed, as by a power cut, again and again while a campaign is prepared, started and sent.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { storageFolder } from "../bench/targets/workerd.ts";
import { addPart, describe, draft, resultsOf, start } from "./support/campaigns.ts";
import { begin, closeAll, connect, next, request, until } from "./support/clients.ts";
import type { Client, ClientOptions } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";
import { Random, runSeed } from "./support/random.ts";

const RECEIVERS = 10_000;
const PART = 1_000;
/** How often the server is killed while messages are sent. */
const KILLS = 18;
/** The longest time from the moment that a kill waits for to the kill. */
const LONGEST_DELAY = 400;
const SENDER = "contractor1";
const random = new Random(runSeed);

const receiverIds = Array.from({ length: RECEIVERS }, (_, index) => `receiver${index}`);
const isKnown = (_id: string, index: number) => index % 5 !== 4;
const known = receiverIds.filter(isKnown);
const blockers = known.filter((_, index) => index % 700 === 50);
const reached = known.filter((id) => !blockers.includes(id));
const online = reached.filter((_, index) => index % 500 === 7);

let server: DevServer;
before(async () => {
  // Thousands of objects are created, each of which waits for the disk with every write.
  server = await createDevServer({}, { parent: storageFolder() });
  await server.start();
  server.addUsers(known);
});
after(async () => {
  closeAll();
  await server.close();
});

/** Connects a device that comes back by itself, like an unmodified client. */
async function lasting(userId: string, options: ClientOptions = {}) {
  const socket = begin(server, userId, {
    transports: ["websocket"],
    reconnection: true,
    reconnectionDelay: 100,
    reconnectionDelayMax: 300,
    ...options,
  });
  // An event that arrives at the moment of a disconnect is buffered without its offset, and repeated.
  socket.on("disconnect", () => (socket.receiveBuffer = []));
  await next(socket, "connect");
  return socket;
}

const isBack = (socket: Client) => until(() => socket.connected, "the client is back", 30_000);

async function restart() {
  await server.kill();
  await server.start();
}

/** Adds all receivers. One part is in progress at a kill, and added again. */
async function addAll(sender: Client, campaignId: string) {
  const parts = Array.from({ length: RECEIVERS / PART }, (_, part) => part);
  const fatal = random.pick(parts);
  for (const part of parts) {
    const add = () =>
      addPart(sender, campaignId, part, receiverIds.slice(part * PART, (part + 1) * PART));
    if (part === fatal) {
      const lost = add().catch(() => {});
      await pause(random.from(0, 50));
      await restart();
      await lost;
      await isBack(sender);
    }
    await add();
  }
}

/** Starts the campaign at a kill. Whether it runs then is found out from its state. */
async function startAtKill(sender: Client, campaignId: string) {
  const lost = start(sender, campaignId).catch(() => {});
  await pause(random.from(0, 100));
  await restart();
  await lost;
  await isBack(sender);
  const { state } = await describe(sender, campaignId);
  if (state === "draft") await start(sender, campaignId);
}

/** Kills the server at random moments from the first message to the last. */
async function killAtRandom() {
  const moments = Array.from({ length: KILLS }, () => random.from(1, reached.length));
  for (const moment of moments.sort((a, b) => a - b)) {
    await until(() => server.count("messages") >= moment, `message ${moment}`, 60_000);
    await pause(random.from(0, LONGEST_DELAY));
    await restart();
  }
}

const hex = (id: string) => id.replaceAll("-", "");

test("killed at 20 random moments, every receiver has exactly one message", async (t) => {
  t.diagnostic(`TEST_SEED=${runSeed}`);
  for (const id of blockers) {
    const socket = await connect(server, id, { transports: ["websocket"] });
    await request(socket, "block_user", { userId: SENDER });
    socket.close();
  }
  const devices = await Promise.all([...online, ...online].map((id) => lasting(id)));
  const sender = await lasting(SENDER, { claims: { role: "contractor" } });
  const campaignId = await draft(sender, "to all");
  await addAll(sender, campaignId);
  await startAtKill(sender, campaignId);
  await killAtRandom();

  await isBack(sender);
  const isFinished = () => sender.events.some(([name]) => name === "campaign_finished");
  await until(isFinished, "the campaign has finished", 60_000);
  const { state, total, sent, failed } = await describe(sender, campaignId);
  assert.deepEqual([state, total], ["finished", RECEIVERS]);
  assert.deepEqual([sent, failed], [reached.length, RECEIVERS - reached.length]);

  const { results, errors } = await resultsOf(sender, campaignId);
  assert.deepEqual(
    results.map(({ receiverId }) => receiverId),
    reached,
  );
  const isReached = new Set(reached);
  assert.deepEqual(
    errors.map(({ receiverId }) => receiverId),
    receiverIds.filter((id) => !isReached.has(id)),
  );
  const stored = server.d1("SELECT hex(conversation_id) || hex(message_id) AS ids FROM messages");
  assert.deepEqual(
    stored.map(({ ids }) => ids.toLowerCase()).sort(),
    results.map(({ conversationId, messageId }) => hex(conversationId + messageId)).sort(),
  );

  const open = "SELECT 1 FROM outbox WHERE next_attempt_at IS NOT NULL";
  await until(() => server.storage(SENDER, open).length === 0, "the outbox is empty", 30_000);
  const logs = server.logs();
  for (const { receiverId, messageId } of results) {
    assert.deepEqual(logs.get(receiverId), [messageId], receiverId);
  }
  for (const device of devices) {
    await until(() => device.texts.length > 0, "the message", 30_000);
  }
  for (const { texts } of devices) assert.deepEqual(texts, ["to all"]);
  const endings = sender.events.filter(([name]) => name === "campaign_finished");
  assert.equal(endings.length, 1);
});
