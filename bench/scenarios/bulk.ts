// One message to many.

import type { Client } from "../load/client.ts";
import { openFilesLimit } from "../report/process.ts";
import { FILES_PER_CONNECTION, FILES_PER_OBJECT, OTHER_FILES } from "./bench.ts";
import type { Bench, Scenario } from "./bench.ts";

const FILES_PER_USER = FILES_PER_OBJECT + FILES_PER_CONNECTION;

/** A smoke run has one send, and one that is split. */
const isRepetition = (receivers: number) => receivers === 100 || receivers === 1_000;

const size = (receivers: number) => receivers.toLocaleString("en");

async function sendAndArrive(bench: Bench, row: string, send: () => Promise<void>) {
  await bench.time(row, async () => {
    await send();
    await bench.ledger.arrived();
  });
}

/**
 * The first message creates the conversations, and wakes whoever has fallen asleep in the meantime. From some
 * number of deliveries on, the engine has compiled the code to be fast.
 */
async function warmUp(bench: Bench, sender: Client, receiverIds: string[]) {
  const deliveries = bench.size(500, 1);
  for (let sent = 0; sent < deliveries; sent += receiverIds.length) {
    await bench.sendBulk(sender, receiverIds);
  }
  await bench.ledger.arrived();
}

function online(receivers: number, rounds: number, name = `${receivers}`): Scenario {
  return {
    name: `bulk-online-${name}`,
    isSlow: receivers > 1_000,
    openFiles: receivers * FILES_PER_USER + OTHER_FILES,
    isRepetition: isRepetition(receivers),
    rows: {
      send: {
        name: `bulk to ${size(receivers)} online`,
        unit: "ms",
        meaning:
          "until the sender has the reply and every receiver has the message; " +
          "who was not called for ten seconds is woken first",
      },
      cpu: {
        name: `bulk to ${size(receivers)} online, CPU`,
        unit: "ms",
        meaning: "CPU time of the server's process per receiver",
      },
    },
    async run(bench) {
      const receiverIds = bench.ids("receiver", bench.size(receivers, 5 + receivers / 500));
      await bench.connectAll(receiverIds);
      const sender = await bench.contractor();
      await warmUp(bench, sender, receiverIds);
      const count = bench.size(rounds, 1);
      await bench.cpu("cpu", count * receiverIds.length, async () => {
        for (let round = 0; round < count; round++) {
          await sendAndArrive(bench, "send", () => bench.sendBulk(sender, receiverIds));
        }
      });
    },
  };
}

function offline(receivers: number, rounds: number): Scenario {
  return {
    name: `bulk-offline-${receivers}`,
    isSlow: receivers > 1_000,
    openFiles: receivers * FILES_PER_OBJECT + OTHER_FILES,
    isRepetition: isRepetition(receivers),
    rows: {
      first: {
        name: `bulk to ${size(receivers)} offline: first`,
        unit: "ms",
        meaning: "until the sender has the reply; the receivers have no objects yet",
      },
      next: {
        name: `bulk to ${size(receivers)} offline: next`,
        unit: "ms",
        meaning: "until the sender has the reply; the receivers have objects",
      },
    },
    async run(bench) {
      const sender = await bench.contractor();
      const send = (ids: string[]) => bench.sendBulk(sender, ids, { areOnline: false });
      const others = bench.ids("warm-up", bench.size(100, 1));
      await bench.target.addUsers(others);
      for (let round = 0; round < bench.size(5, 1); round++) await send(others);
      const receiverIds = bench.ids("receiver", bench.size(receivers, 5 + receivers / 500));
      await bench.target.addUsers(receiverIds);
      await bench.time("first", () => send(receiverIds));
      for (let round = 0; round < bench.size(rounds, 1); round++) {
        await bench.time("next", () => send(receiverIds));
      }
      // What they have missed arrives with their connect.
      const some = receiverIds.slice(0, bench.size(50, 5));
      for (const id of some) bench.ledger.awaitMissed(id);
      await bench.connectAll(some);
    },
  };
}

/** 5,000, or fewer hundreds if the system does not allow as many open files (`ulimit -n`). */
function largest() {
  const possible = (openFilesLimit() - OTHER_FILES) / FILES_PER_USER;
  return Math.min(5_000, Math.floor(possible / 100) * 100);
}

export const bulk: Scenario[] = [
  online(10, 30),
  online(100, 15),
  online(1_000, 4),
  online(largest(), 1, "5000"),
  offline(10, 30),
  offline(100, 20),
  offline(1_000, 4),
  offline(5_000, 1),
];
