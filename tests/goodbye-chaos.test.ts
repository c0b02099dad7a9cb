// A thousand connections that end at random, in every way there is, on networks that are slow and lose
// things, while messages are sent: none is lost, each client gets its own in order and once, and no
// sender is told of a delivery before there was one.

import assert from "node:assert/strict";
import { monitorEventLoopDelay } from "node:perf_hooks";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Message } from "switchboard-events";

import * as client from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { Network, closeNetworks } from "./support/proxy.ts";
import type { Ending, Loss } from "./support/proxy.ts";
import { Random, runSeed } from "./support/random.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const ROUNDS = 1_000;
/** On a machine that is too busy for so many rounds, as many as there is time for. */
const LONGEST_RUN = 90_000;
const RECEIVERS = 40;
const SENDERS = 5;
/** How soon the server answers. */
const SWIFTLY = 150;

let server: Server;
before(async () => {
  server = await startServer({
    vars: {
      // What no message is asked about is confirmed within seconds.
      PING_INTERVAL_MS: "2000",
      PING_TIMEOUT_MS: "8000",
      // Pages that were killed count until their pings time out.
      MAX_CONNECTIONS_PER_USER: "0",
      MAX_EVENTS_PER_SECOND: "0",
    },
  });
});
after(async () => {
  client.closeAll();
  closeNetworks();
  await server.close();
});

/** What was accepted, and what became of it, by message id. */
const accepted = new Map<string, { to: string; what: string; isDirect: boolean }>();
const copies = new Map<string, number>();
const receipts = new Map<string, number>();
const faults: string[] = [];
const counts: Record<string, number> = {};

const add = (counts: Map<string, number>, id: string) => counts.set(id, (counts.get(id) ?? 0) + 1);
const count = (what: string) => (counts[what] = (counts[what] ?? 0) + 1);
const at = () => `${Math.round(performance.now())} ms`;

/** A client object: what it gets is in order and nothing twice, however often it comes back. */
class Device {
  readonly network: Network | null;
  readonly socket: Client;
  readonly way: string;
  /** The page is gone: nobody sees what may still come. */
  isGone = false;
  #last = new Map<string, number>();

  constructor(userId: string, way: string, network: Network | null) {
    this.network = network;
    this.way = way;
    const host = network ?? server;
    this.socket = client.begin(host, userId, client.optionsOf(way, host, userId));
    this.socket.on("new_message", (message) => this.#take(message));
    this.socket.on("connect", () => count(this.socket.recovered ? "recovered" : "new sessions"));
  }

  #take(message: Message) {
    if (this.isGone) return;
    const { messageId, senderId, receiverId } = message;
    add(copies, messageId);
    const number = Number(client.textOf(message));
    const last = this.#last.get(senderId) ?? -1;
    if (number <= last) {
      faults.push(
        `${receiverId}, ${this.way}, recovered ${this.socket.recovered}: ${senderId} ${number} after ${last}, ${at()}`,
      );
    }
    this.#last.set(senderId, number);
  }

  /** Moves on when it is connected, or has failed to. */
  connected() {
    if (this.socket.connected) return;
    return Promise.race([
      client.next(this.socket, "connect"),
      client.next(this.socket, "connect_error"),
    ]);
  }

  /** Ends the transport without leaving the namespace, as a network that is switched off. */
  close() {
    const { engine } = this.socket.io;
    if (engine.readyState === "open") engine.close();
    // The library does not notice when an engine is closed that has not been opened.
    else if (engine.readyState === "opening") this.socket.disconnect();
    return this.closed();
  }

  /** Moves on when nothing of its connection is left on this side. */
  closed() {
    const manager = this.socket.io as unknown as { _readyState: string };
    return client.until(() => manager._readyState === "closed", `${this.way}: its end`);
  }
}

/** A sender, whose messages to all are numbered in one row. */
class Sender {
  readonly userId: string;
  readonly socket: Client;
  #next = 0;

  constructor(userId: string, socket: Client) {
    this.userId = userId;
    this.socket = socket;
    socket.on("message_delivered", ({ messageId, receiverId }) => {
      add(receipts, messageId);
      if (!copies.has(messageId)) {
        faults.push(`${userId} was told that ${receiverId} had ${messageId}, ${at()}`);
      }
    });
  }

  async sendTo(receiverId: string) {
    const number = this.#next++;
    const { messageId } = await client.sendTo(this.socket, { receiverId }, `${number}`);
    accepted.set(messageId, { to: receiverId, what: `${this.userId}'s ${number}`, isDirect: true });
  }

  async sendToMany(receiverIds: string[]) {
    const number = this.#next++;
    const { results } = await client.sendText(this.socket, receiverIds, `${number}`);
    assert.equal(results.length, receiverIds.length);
    for (const { messageId, receiverId: to } of results) {
      accepted.set(messageId, { to, what: `${this.userId}'s ${number}`, isDirect: false });
    }
  }
}

const losses: Loss[] = ["everything", "to the client", "to the server", "nothing"];
const endings: Ending[] = ["end", "reset"];

type End = (device: Device, network: Network, random: Random) => Promise<unknown> | void;

/** The page is gone from one moment to the next; what it had sent still arrives. */
const kill: End = (device, network, random) => {
  device.isGone = true;
  network.isDown = true;
  network.cut("to the client", random.pick(endings));
};

const ends: Record<string, End> = {
  disconnect: (device) => void device.socket.disconnect(),

  "engine closed": (device) => device.close(),

  "network lost": (device, network, random) => {
    network.isDown = true;
    network.cut(random.pick(losses), random.pick(endings));
    return device.closed();
  },

  // A goodbye of polling comes on another connection.
  "connections cut": async (device, network, random) => {
    network.cut(random.pick(losses), random.pick(endings));
    await pause(network.delayMs + 50);
    // Polling may have had no connection at that moment.
    await device.close();
  },

  "answer lost": async (device, network, random) => {
    await Promise.race([network.loseAnswer(), pause(300)]);
    if (network.isArmed) await ends["connections cut"](device, network, random);
    else await device.closed();
  },

  killed: kill,

  reloaded: (device, network, random) => {
    const { engine } = device.socket.io;
    if (engine.transport.name !== "websocket" || engine.readyState !== "open") {
      return kill(device, network, random);
    }
    device.isGone = true;
    client.rawSocket(device.socket).close();
  },
};

class Receiver {
  readonly userId: string;
  readonly random: Random;
  readonly sends: Promise<void>[] = [];
  #devices: Device[] = [];

  constructor(userId: string, random: Random) {
    this.userId = userId;
    this.random = random;
  }

  /** The client that was there before comes back, or a new page. */
  async #device(): Promise<[Device, Network]> {
    const { random } = this;
    const before = this.#devices.at(-1);
    if (before?.network && !before.isGone && random.chance(0.5)) {
      before.network.isDown = false;
      before.socket.connect();
      return [before, before.network];
    }
    const network = await Network.open(server);
    const device = new Device(this.userId, random.pick(client.ways), network);
    this.#devices.push(device);
    // The last one's end may still be under way.
    if (this.#devices.length > 2) this.#devices.shift()?.network?.close();
    return [device, network];
  }

  async round(senders: Sender[]) {
    const { random } = this;
    const [device, network] = await this.#device();
    network.delayMs = random.chance(0.1) ? 100 : random.from(5, 50);
    // Sometimes it ends in the middle of connecting, sometimes so late that a goodbye confirms.
    if (random.chance(0.75)) await device.connected();
    const endsAfter = random.chance(0.1) ? random.from(1_000, 4_000) : random.from(0, 300);
    for (let send = random.from(1, 2); send > 0; send--) {
      this.#send(random.pick(senders), endsAfter + random.from(-200, 100));
    }
    await pause(endsAfter);
    const how = random.pick(Object.keys(ends));
    count(how);
    await ends[how](device, network, random);
    if (how !== "reloaded") await pause(random.from(0, 150));
  }

  #send(sender: Sender, after: number) {
    const sent = pause(Math.max(0, after)).then(() => sender.sendTo(this.userId));
    // A send that fails is looked at in the end.
    sent.catch(() => {});
    this.sends.push(sent);
  }
}

/** Sends to some of them, over and over: nobody asks whether those messages arrive. */
async function sendInBulk(
  sender: Sender,
  userIds: string[],
  random: Random,
  isOver: () => boolean,
) {
  while (!isOver()) {
    const some = userIds.filter(() => random.chance(0.2));
    if (some.length > 0) await sender.sendToMany(some);
    await pause(random.from(100, 500));
  }
}

/**
 * How many rounds are run at once: as many as leave the server swift, because to one that takes seconds
 * for everything the two seconds before a goodbye mean nothing.
 */
class Pace {
  #running = 0;
  #limit = 5;
  #isOver = false;

  /** Whether there is a turn for one more by then. */
  async hasTurn(endsAt: number) {
    while (this.#running >= this.#limit) {
      if (Date.now() > endsAt) return false;
      await pause(20);
    }
    this.#running += 1;
    return true;
  }

  done() {
    this.#running -= 1;
  }

  async keep(socket: Client) {
    while (!this.#isOver) {
      const begun = performance.now();
      await client.statusOf(socket, "nobody");
      const isSwift = performance.now() - begun < SWIFTLY;
      this.#limit = isSwift ? this.#limit + 1 : Math.max(1, this.#limit / 2);
      await pause(100);
    }
  }

  end() {
    this.#isOver = true;
  }
}

const missing = () =>
  [...accepted]
    .filter(([id]) => !copies.has(id))
    .map(([id, { to, what }]) => `${what} to ${to} (${id})`);
const untold = () =>
  [...accepted].filter(([id, { isDirect }]) => isDirect && !receipts.has(id)).map(([id]) => id);

test("a thousand ends", async (t) => {
  t.diagnostic(`TEST_SEED=${runSeed}`);
  const failure = `with TEST_SEED=${runSeed}`;
  const userIds = Array.from({ length: RECEIVERS }, (_, index) => `receiver${index}`);
  await Promise.all(userIds.map((id) => server.addUser(id)));
  const senderIds = Array.from({ length: SENDERS + 1 }, (_, index) => `sender${index}`);
  const senders = await Promise.all(
    senderIds.map(async (id) => new Sender(id, await client.contractor(server, id))),
  );
  const receivers = userIds.map((id, index) => new Receiver(id, new Random(runSeed + index)));

  const delay = monitorEventLoopDelay();
  delay.enable();
  let isOver = false;
  const [bulkSender, ...others] = senders;
  const bulk = sendInBulk(bulkSender, userIds, new Random(runSeed - 1), () => isOver);
  const pace = new Pace();
  const paced = pace.keep(bulkSender.socket);
  const endsAt = Date.now() + LONGEST_RUN;
  let rounds = 0;
  const run = async (receiver: Receiver) => {
    while (rounds < ROUNDS && Date.now() < endsAt && (await pace.hasTurn(endsAt))) {
      rounds += 1;
      await receiver.round(others);
      pace.done();
    }
    await Promise.all(receiver.sends);
  };
  await Promise.all(receivers.map(run));
  isOver = true;
  pace.end();
  await paced;
  await bulk;

  const late = missing().length;
  for (const { userId } of receivers) new Device(userId, "websocket only", null);
  const everything = client.until(() => missing().length === 0, "all messages", 20_000);
  await everything.catch(() => {});
  await client.until(() => untold().length === 0, "all receipts", 20_000).catch(() => {});

  const repeats = [...copies.values()].reduce((sum, copies) => sum + copies - 1, 0);
  const figures = { rounds, accepted: accepted.size, repeats, "only at the end": late, ...counts };
  t.diagnostic(JSON.stringify(figures));
  t.diagnostic(
    `lag: ${delay.max / 1e6} max, ${delay.percentile(99) / 1e6} p99, ${delay.mean / 1e6}`,
  );
  for (const how of Object.keys(ends)) assert.ok(counts[how] > 0, `no ${how}, ${failure}`);
  assert.deepEqual(missing(), [], `lost, ${failure}`);
  assert.deepEqual(faults, [], failure);
  assert.deepEqual(untold(), [], `received and not told, ${failure}`);
  const told = [...receipts].filter(([, times]) => times > 1);
  assert.deepEqual(told, [], `told more than once, ${failure}`);
});
