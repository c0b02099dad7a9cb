// Presence queries about users who are online.

import type { Client } from "../load/client.ts";
import { inParallel } from "./bench.ts";
import type { Scenario } from "./bench.ts";

async function askForOne(asker: Client, userId: string) {
  const { isOnline, connectionCount } = await asker.request("get_online_status", { userId });
  if (!isOnline || connectionCount !== 1) throw new Error(`${userId} is not online once`);
}

async function askForAll(asker: Client, userIds: string[]) {
  const statuses = await asker.request("get_bulk_online_status", { userIds });
  const online = userIds.filter((id) => statuses[id]?.isOnline);
  if (online.length !== userIds.length) throw new Error(`only ${online.length} are online`);
}

export const presence: Scenario = {
  name: "presence",
  rows: {
    new: {
      name: "presence of one user: first query",
      unit: "ms",
      meaning: "a user that the asker's object has not called before, one query at a time",
    },
    one: {
      name: "presence of one user",
      unit: "ms",
      meaning: "a user that the asker's object has called before, one query at a time",
    },
    many: {
      name: "presence, 32 queries in flight",
      unit: "ms",
      meaning: "time per query, with 32 in flight on one connection",
    },
    cpu: {
      name: "presence, 32 queries in flight, CPU",
      unit: "ms",
      meaning: "CPU time of the server's process per query",
    },
    bulk: {
      name: "presence of 200 users",
      unit: "ms",
      meaning: "one `get_bulk_online_status`",
    },
  },
  async run(bench) {
    const userIds = bench.ids("user", bench.size(200, 10));
    await bench.connectAll(userIds);
    const [warmUp, asker] = await bench.connectAll(bench.ids("asker", 2));
    const askForEach = (client: Client) => inParallel(32, userIds, (id) => askForOne(client, id));
    for (let round = 0; round < bench.size(15, 1); round++) await askForEach(warmUp);
    for (const id of userIds) await bench.time("new", () => askForOne(asker, id));
    for (const id of userIds) await bench.time("one", () => askForOne(asker, id));

    const rounds = bench.size(10, 1);
    await bench.cpu("cpu", rounds * userIds.length, async () => {
      for (let round = 0; round < rounds; round++) {
        const begun = performance.now();
        await askForEach(asker);
        bench.record("many", (performance.now() - begun) / userIds.length);
      }
    });
    for (let round = 0; round < bench.size(8, 1); round++) {
      await bench.time("bulk", () => askForAll(asker, userIds));
    }
  },
};
