// A thousand connections end at random and in every possible way, on slow and lossy networks, while messages
// are sent. No message is lost, each client gets its messages in order and once, and no sender is told of a
// delivery before it happened.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Device, Ledger, Pace, Sender } from "./support/chaos.ts";
import * as client from "./support/clients.ts";
import { Network, closeNetworks } from "./support/proxy.ts";
import type { Ending, Loss } from "./support/proxy.ts";
import { Random, runSeed } from "./support/random.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const ROUNDS = 1_000;
/** On a busy machine the run ends after this time, with fewer rounds. */
const LONGEST_RUN = 75_000;
const RECEIVERS = 40;
const SENDERS = 5;
/** How long to wait at the end for outstanding messages and receipts. */
const PATIENCE = 20_000;

let server: Server;
before(async () => {
  server = await startServer({
    vars: {
      // Messages that get no ping of their own are confirmed by the heartbeat within seconds.
      PING_INTERVAL_MS: "2000",
      PING_TIMEOUT_MS: "8000",
      // Killed pages count as connections until their pings time out.
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

const losses: Loss[] = ["everything", "to the client", "to the server", "nothing"];
const endings: Ending[] = ["end", "reset"];

type End = (device: Device, network: Network, random: Random) => Promise<unknown> | void;

/** Kills the page instantly; packets that it has sent still arrive. */
const kill: End = (device, network, random) => {
  device.isGone = true;
  network.isDown = true;
  network.cut("to the client", random.pick(endings));
};

/** Cuts all connections. New ones can be opened at once: polling sends its close packet on one. */
const cutConnections: End = async (device, network, random) => {
  network.cut(random.pick(losses), random.pick(endings));
  await pause(network.delayMs + 50);
  // A polling client may have had no open connection to cut.
  await device.close();
};

const ends: Record<string, End> = {
  "disconnect()": (device) => void device.socket.disconnect(),
  "engine closed": (device) => device.close(),
  "connections cut": cutConnections,
  killed: kill,

  "network lost": (device, network, random) => {
    network.isDown = true;
    network.cut(random.pick(losses), random.pick(endings));
    return device.closed();
  },

  "answer to a GET lost": async (device, network, random) => {
    await Promise.race([network.loseAnswer(), pause(300)]);
    if (network.isArmed) return cutConnections(device, network, random);
    await pause(50);
    // The lost response may have belonged to an earlier transport that is closing.
    return device.close();
  },

  // On reload, a browser closes the page's WebSocket and aborts its requests.
  reloaded: (device, network, random) => {
    const { engine } = device.socket.io;
    if (engine.transport.name !== "websocket" || engine.readyState !== "open") {
      return kill(device, network, random);
    }
    device.isGone = true;
    client.rawSocket(device.socket).close();
  },
};

const ledger = new Ledger();
const figures: Record<string, number> = {};
const count = (what: string) => (figures[what] = (figures[what] ?? 0) + 1);

class Receiver {
  readonly userId: string;
  readonly sends: Promise<void>[] = [];
  readonly #random: Random;
  readonly #devices: Device[] = [];

  constructor(userId: string, random: Random) {
    this.userId = userId;
    this.#random = random;
  }

  async round(senders: Sender[], userIds: string[]) {
    const random = this.#random;
    const [device, network] = await this.#begin();
    network.delayMs = random.chance(0.1) ? 100 : random.from(5, 50);
    // Some connections end while connecting; others last long enough for a clean close to confirm messages.
    if (random.chance(0.75)) await device.connected();
    const endsAfter = random.chance(0.1) ? random.from(1_000, 4_000) : random.from(0, 300);
    for (let sends = random.from(1, 2); sends > 0; sends--) {
      const sender = random.pick(senders);
      const others = random.chance(0.2) ? userIds.filter(() => random.chance(0.1)) : [];
      const to = [...new Set([this.userId, ...others])];
      this.#send(sender, to, endsAfter + random.from(-200, 100));
    }
    await pause(endsAfter);
    const how = random.pick(Object.keys(ends));
    count(how);
    count(device.socket.recovered ? "recovered sessions" : "other sessions");
    await ends[how](device, network, random);
    if (how !== "reloaded") await pause(random.from(0, 150));
  }

  /** Reconnects the previous client or opens a new page. */
  async #begin(): Promise<[Device, Network]> {
    const random = this.#random;
    const before = this.#devices.at(-1);
    if (before?.network && !before.isGone && random.chance(0.5)) {
      before.network.isDown = false;
      before.comeBack();
      return [before, before.network];
    }
    const network = await Network.open(server);
    const device = new Device(ledger, network, this.userId, random.pick(client.ways), network);
    this.#devices.push(device);
    // The last device's disconnect may still be in progress.
    if (this.#devices.length > 2) this.#devices.shift()?.network?.close();
    return [device, network];
  }

  #send(sender: Sender, to: string[], after: number) {
    const sent = pause(Math.max(0, after)).then(() => sender.sendTo(to));
    // Failed sends are reported when all are awaited.
    sent.catch(() => {});
    this.sends.push(sent);
  }
}

async function makeSender(index: number) {
  const userId = `sender${index}`;
  return new Sender(ledger, userId, await client.contractor(server, userId));
}

/** Runs rounds until ROUNDS are done or LONGEST_RUN has passed. */
async function runRounds(receivers: Receiver[], senders: Sender[]) {
  const userIds = receivers.map(({ userId }) => userId);
  const endsAt = Date.now() + LONGEST_RUN;
  // On a server that takes seconds to respond, the two seconds before a close would be meaningless.
  const pace = new Pace();
  const kept = pace.keep(senders[0].socket);
  const run = async (receiver: Receiver) => {
    while ((figures.rounds ?? 0) < ROUNDS) {
      if (!(await pace.run(() => receiver.round(senders, userIds), endsAt))) break;
      count("rounds");
    }
    await Promise.all(receiver.sends);
  };
  await Promise.all(receivers.map(run));
  pace.end();
  await kept;
}

test("a thousand disconnects", async (t) => {
  const seed = `TEST_SEED=${runSeed}`;
  const bySeed = (_: unknown, index: number) =>
    new Receiver(`receiver${index}`, new Random(runSeed + index));
  const receivers = Array.from({ length: RECEIVERS }, bySeed);
  await Promise.all(receivers.map(({ userId }) => server.addUser(userId)));
  const senders = await Promise.all(
    Array.from({ length: SENDERS }, (_, index) => makeSender(index)),
  );
  await runRounds(receivers, senders);

  const late = ledger.missing().length;
  for (const { userId } of receivers) new Device(ledger, server, userId, "websocket only", null);
  // The assertions below name whatever is still missing.
  const settles = async (isSo: () => boolean) =>
    client.until(isSo, "the rest", PATIENCE).catch(() => false);
  await settles(() => ledger.missing().length === 0);
  await settles(() => ledger.untold().length === 0);

  const { accepted } = ledger;
  const totals = { accepted: accepted.size, repeats: ledger.repeats(), late };
  t.diagnostic(`${seed} ${JSON.stringify({ ...totals, ...figures })}`);
  assert.deepEqual(ledger.missing(), [], `lost, ${seed}`);
  assert.deepEqual(ledger.faults, [], seed);
  assert.deepEqual(ledger.untold(), [], `received and never told, ${seed}`);
  assert.deepEqual(ledger.toldAgain(), [], `told more than once, ${seed}`);
  for (const how of Object.keys(ends))
    assert.ok(figures[how] > 0, `${how} never happened, ${seed}`);
});
