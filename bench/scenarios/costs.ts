// What connections and deliveries cost apart from time: memory, storage, CPU.

import { setTimeout as pause } from "node:timers/promises";

import type { Client } from "../load/client.ts";
import { memoryBytes } from "../report/process.ts";
import { FILES_PER_CONNECTION, FILES_PER_OBJECT, OTHER_FILES, inParallel } from "./bench.ts";
import type { Bench, Scenario } from "./bench.ts";

/** A little longer than the ten seconds after which workerd hibernates an idle object. */
const UNTIL_ASLEEP_MS = 13_000;

export const memory: Scenario = {
  name: "memory",
  isSlow: true,
  openFiles: 1_050 * (FILES_PER_OBJECT + FILES_PER_CONNECTION) + OTHER_FILES,
  rows: {
    awake: {
      name: "memory per connection",
      unit: "KB",
      meaning: "growth of the process by 1,000 users with one connection each, just connected",
    },
    asleep: {
      name: "memory per idle connection",
      unit: "KB",
      meaning: "the same, after the objects have hibernated",
    },
  },
  async run(bench) {
    const connections = bench.size(1_000, 10);
    await bench.connectAll(bench.ids("warm-up", bench.size(50, 2)));
    await pause(bench.size(1_000, 0));
    const before = memoryBytes(bench.target.pid);
    const perConnection = () => (memoryBytes(bench.target.pid) - before) / connections / 1_024;
    await bench.connectAll(bench.ids("user", connections));
    bench.record("awake", perConnection());
    await pause(bench.size(UNTIL_ASLEEP_MS, 0));
    bench.record("asleep", perConnection());
  },
};

export const storage: Scenario = {
  name: "storage",
  rows: {
    rows: {
      name: "D1 rows written per delivery",
      unit: "",
      meaning: "rows of the shared database, as D1 bills them; in bulk sends to 10 users",
    },
    database: {
      name: "D1 bytes per delivery",
      unit: "bytes",
      meaning: "growth of the shared database",
    },
    objects: {
      name: "object bytes per delivery",
      unit: "bytes",
      meaning: "growth of all objects' databases",
    },
    wire: {
      name: "wire bytes per delivery",
      unit: "bytes",
      meaning: "the frame that carries a message of ten characters",
    },
  },
  vars: () => ({ REPORT_ROWS: "on" }),
  async run(bench) {
    const receiverIds = bench.ids("receiver", 10);
    const receivers = await bench.connectAll(receiverIds);
    const sender = await bench.contractor();
    await bench.sendBulk(sender, receiverIds);
    await bench.ledger.arrived();
    const before = await bench.target.storage();
    const bytesOf = (clients: Client[]) =>
      clients.reduce((sum, { messageBytes }) => sum + messageBytes, 0);
    const bytes = bytesOf(receivers);
    const sends = bench.size(200, 2);
    for (let send = 0; send < sends; send++) await bench.sendBulk(sender, receiverIds);
    await bench.ledger.arrived();

    const after = await bench.target.storage();
    const deliveries = sends * receiverIds.length;
    const record = (row: string, from: number | null, to: number | null) => {
      if (from !== null && to !== null) bench.record(row, (to - from) / deliveries);
    };
    record("rows", before.rowsWritten, after.rowsWritten);
    record("database", before.databaseBytes, after.databaseBytes);
    record("objects", before.objectBytes, after.objectBytes);
    record("wire", bytes, bytesOf(receivers));
  },
};

const interval = (isSmoke: boolean) => (isSmoke ? 1_500 : 5_000);

async function pingsOfAll(clients: Client[], pings: number) {
  while (clients.some((client) => client.pings < pings)) await pause(5);
}

/** All objects hibernate, and each is woken by its heartbeat. */
async function round(
  bench: Bench,
  clients: Client[],
  hibernate: (id: string) => Promise<void>,
  isWarmUp: boolean,
) {
  const pings = clients[0].pings;
  await inParallel(8, clients, ({ userId }) => hibernate(userId));
  if (clients.some((client) => client.pings !== pings)) {
    throw new Error("a heartbeat came before all objects had hibernated: the machine is too slow");
  }
  const next = () => pingsOfAll(clients, pings + 1);
  await (isWarmUp ? next() : bench.cpu("cpu", clients.length, next));
}

export const heartbeat: Scenario = {
  name: "heartbeat",
  rows: {
    cpu: {
      name: "heartbeat of a hibernated object, CPU",
      unit: "ms",
      meaning:
        "CPU time of the process per user: the object wakes, pings its client and hears the pong",
    },
  },
  vars: (isSmoke) => ({
    PING_INTERVAL_MS: String(interval(isSmoke)),
    PING_TIMEOUT_MS: "60000",
  }),
  async run(bench) {
    const { hibernate } = bench.target;
    if (!hibernate) return;
    const clients = await bench.connectAll(bench.ids("user", bench.size(200, 5)));
    await pingsOfAll(clients, 1);
    const [warmUps, rounds] = [bench.size(3, 0), bench.size(3, 1)];
    for (let count = 0; count < warmUps + rounds; count++) {
      await round(bench, clients, hibernate, count < warmUps);
    }
  },
};
