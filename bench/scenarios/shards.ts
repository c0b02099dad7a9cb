// Messages of many senders at once, with the record in one database or several.

import { inParallel } from "./bench.ts";
import type { Scenario } from "./bench.ts";

const IN_FLIGHT = 32;

const namesOf = (count: number) =>
  Array.from({ length: count }, (_, index) => (index === 0 ? "DB" : `DB_${index}`));

function sustained(count: number): Scenario {
  const databases = count === 1 ? "1 database" : `${count} databases`;
  return {
    name: `shards-${count}`,
    isRepetition: count < 4,
    vars: () => ({ RECORD_SHARDS: namesOf(count).join() }),
    rows: {
      send: {
        name: `direct messages, ${IN_FLIGHT} in flight, ${databases}`,
        unit: "ms",
        meaning: "time per message; 1,000 divided by it is the number of sends in a second",
      },
      cpu: {
        name: `direct messages, ${IN_FLIGHT} in flight, ${databases}, CPU`,
        unit: "ms",
        meaning:
          "CPU time of the server's process per message; if it is no less than the time, the CPU is the limit here, " +
          "and not the databases, which share it",
      },
    },
    async run(bench) {
      const pairs = bench.size(IN_FLIGHT, 4);
      const receivers = await bench.connectAll(bench.ids("receiver", pairs));
      const senders = await bench.connectAll(bench.ids("sender", pairs));
      const indexes = [...senders.keys()];
      const send = (index: number) => bench.sendDirect(senders[index], receivers[index].userId);
      const rounds = async (rounds: number) => {
        const all = Array.from({ length: rounds }, () => indexes).flat();
        await inParallel(pairs, all, send);
        await bench.ledger.arrived();
      };
      await rounds(bench.size(10, 1));
      const measured = bench.size(20, 1);
      const begun = performance.now();
      await bench.cpu("cpu", measured * pairs, () => rounds(measured));
      bench.record("send", (performance.now() - begun) / (measured * pairs));
    },
  };
}

export const shards: Scenario[] = [1, 2, 4].map(sustained);
