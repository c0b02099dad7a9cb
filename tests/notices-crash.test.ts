// The webhook fails in every way and the server is killed again and again: it is told of every message, under one id, and
// of nothing that was read in time.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { storageFolder } from "../bench/targets/workerd.ts";
import {
  ackOf,
  begin,
  closeAll,
  connect,
  next,
  request,
  textTo,
  until,
} from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";
import { WEBHOOK_SECRET } from "./support/notices.ts";
import { Random, runSeed } from "./support/random.ts";
import { startReceiver } from "./support/webhook-receiver.ts";
import type { WebhookReceiver } from "./support/webhook-receiver.ts";

const random = new Random(runSeed);
const ids = (name: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${name}${index}`);

let receiver: WebhookReceiver;
let server: DevServer;
before(async () => {
  receiver = await startReceiver(WEBHOOK_SECRET);
});
afterEach(async () => {
  closeAll();
  await server.close();
  receiver.received.length = 0;
});
after(() => {
  assert.deepEqual(receiver.refused, []);
  receiver.close();
});

async function start(vars: Record<string, string | number>) {
  const webhook = {
    NOTICE_RETRY_MS: 100,
    UNREAD_AFTER_MS: 0,
    WEBHOOK_SECRET,
    WEBHOOK_TIMEOUT_MS: 500,
    WEBHOOK_URL: receiver.url,
  };
  server = await createDevServer({ ...webhook, ...vars }, { parent: storageFolder() });
  await server.start();
}

async function restart() {
  await server.kill();
  await server.start();
}

/** Connects a contractor who comes back by itself. */
async function lasting() {
  const socket = begin(server, "contractor1", {
    claims: { role: "contractor" },
    reconnection: true,
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
    transports: ["websocket"],
  });
  await next(socket, "connect");
  return socket;
}

/** Sends until there is an answer, under one idempotency key. */
async function send(sender: Client, receiverIds: string[], text: string) {
  const payload = { ...textTo(receiverIds, text), idempotencyKey: text };
  for (;;) {
    await until(() => sender.connected, "the sender is back", 30_000);
    try {
      const sent = await ackOf(sender, "send_bulk_message", payload);
      if ("totalSent" in sent) return sent;
    } catch {
      // The server was killed.
    }
  }
}

/** Returns of how many messages the webhook was told, by receiver. A notice that came more than once counts once. */
function toldByReceiver() {
  const notices = new Map(receiver.received.map(({ id, body }) => [id, body.data]));
  const told = new Map<string, number>();
  for (const { receiverId, count } of notices.values())
    told.set(receiverId, (told.get(receiverId) ?? 0) + count);
  return told;
}

const sum = (told: Map<string, number>) =>
  [...told.values()].reduce((all, count) => all + count, 0);

function assertOneBodyPerId() {
  const bodies = new Map<string, string>();
  for (const { id, raw } of receiver.received) {
    assert.equal(bodies.get(id) ?? raw.body, raw.body);
    bodies.set(id, raw.body);
  }
}

/** Lets the webhook fail in all ways, changing all the time, until it is stopped. */
function failAtRandom() {
  const answer = () => {
    const choice = random.fraction();
    if (choice < 0.6) receiver.respond(204);
    else if (choice < 0.75) receiver.respond(500);
    else if (choice < 0.9) receiver.reset();
    else receiver.hang();
  };
  const timer = setInterval(answer, 30);
  return () => {
    clearInterval(timer);
    receiver.respond(204);
  };
}

test("killed at every step, it is told of every message", async (t) => {
  t.diagnostic(`TEST_SEED=${runSeed}`);
  const rounds = 9;
  const kills = 5;
  await start({ NOTIFY_AFTER_MS: 200 });
  const customers = ids("customer", 40);
  server.addUsers(customers);
  const sender = await lasting();
  const stop = failAtRandom();
  const killing = (async () => {
    for (let kill = 0; kill < kills; kill += 1) {
      await pause(random.from(200, 1_200));
      await restart();
    }
  })();
  for (let round = 0; round < rounds; round += 1) {
    const some = customers.filter(() => random.chance(0.7));
    const { totalSent } = await send(sender, some, `message ${round}`);
    assert.equal(totalSent, some.length);
    await pause(random.from(0, 800));
  }
  await killing;
  stop();
  const sent = server.count("messages");
  await until(() => sum(toldByReceiver()) >= sent, `${sent} messages are told of`, 60_000);
  // Whatever is still repeated is repeated now.
  await until(() => !server.storage("customer0", "SELECT 1 FROM notices WHERE due_at").length, "");
  const logged = server.logs();
  const expected = customers.map((id) => [id, logged.get(id)?.length ?? 0]);
  assert.deepEqual([...toldByReceiver()].sort(), expected.sort());
  assertOneBodyPerId();
});

/** Connects a device that reads what arrives. Returns the id of the last message that is read, whenever it is asked. */
async function reader(customer: string) {
  const device = await connect(server, customer, { transports: ["websocket"] });
  let newest = "";
  let read = "";
  let reading = Promise.resolve();
  device.on("new_message", ({ conversationId, messageId }) => {
    newest = messageId;
    reading = reading.then(async () => {
      // It may have been read with those that came before it was its turn.
      if (messageId <= read) return;
      const upTo = newest;
      await request(device, "mark_as_read", { conversationId, upTo });
      read = upTo;
    });
  });
  return () => read;
}

test("of ten thousand messages, half of them read in time, it is told of the other half", async () => {
  const [receivers, messages] = [100, 100];
  await start({ NOTIFY_AFTER_MS: 20_000 });
  const customers = ids("customer", receivers);
  const reads = customers.filter((_, index) => index % 2 === 0);
  const away = customers.filter((_, index) => index % 2 === 1);
  server.addUsers(customers);
  const lastRead: (() => string)[] = [];
  for (const customer of reads) lastRead.push(await reader(customer));
  const sender = await lasting();
  let last: Awaited<ReturnType<typeof send>> | undefined;
  for (let message = 0; message < messages; message += 1)
    last = await send(sender, customers, `message ${message}`);
  const newest = new Map(last?.results.map((result) => [result.receiverId, result.messageId]));
  const isAllRead = () => reads.every((id, index) => lastRead[index]?.() === newest.get(id));
  await until(isAllRead, "half of them is read", 60_000);
  sender.close();
  const stop = failAtRandom();
  for (const part of [0.2, 0.7]) {
    const half = away.length * messages;
    await until(() => sum(toldByReceiver()) >= part * half, `a part of them: ${part}`, 60_000);
    await restart();
  }
  stop();
  await until(() => sum(toldByReceiver()) >= away.length * messages, "the last one", 60_000);
  const expected = away.map((id) => [id, messages]);
  assert.deepEqual([...toldByReceiver()].sort(), expected.sort());
  assertOneBodyPerId();
});
