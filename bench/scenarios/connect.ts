// The time until a client's CONNECT is accepted, for each way to connect.

import type { Way } from "../load/client.ts";
import { inParallel } from "./bench.ts";
import type { Bench, Row, Scenario } from "./bench.ts";

const ways: Record<Way, string> = {
  direct: "token in the URL",
  relay: "token in the CONNECT",
  polling: "polling, then upgrade",
};

const meanings: Record<Way, string> = {
  direct: "the Worker passes the WebSocket to the user's object",
  relay: "the Worker waits for the CONNECT and relays frames",
  polling: "until the first request over the upgraded WebSocket is answered",
};

const row = (way: Way, time: string): Row => ({
  name: `connect, ${ways[way]}: ${time}`,
  unit: "ms",
  meaning: `${meanings[way]}; the ${time} connect of a user, one at a time`,
});

/** From some number of connects on, the engine has compiled the code to be fast. */
const WARM_UP = 300;

const names = Object.keys(ways) as Way[];

async function connect(bench: Bench, way: Way, userId: string) {
  const client = await bench.connect(userId, { way });
  if (way === "polling") await client.request("get_online_status", { userId });
}

export const connecting: Scenario = {
  name: "connect",
  rows: Object.fromEntries(
    names.flatMap((way) =>
      ["first", "second"].map((time) => [`${way} ${time}`, row(way, time)] as const),
    ),
  ),
  async run(bench) {
    for (const way of names) {
      const warmUp = bench.ids(`${way}, warm-up`, bench.size(WARM_UP, 1));
      await inParallel(4, warmUp, (id) => connect(bench, way, id));
      await bench.closeAll();
      const userIds = bench.ids(way, bench.size(50, 3));
      for (const time of ["first", "second"]) {
        for (const userId of userIds) {
          await bench.time(`${way} ${time}`, () => connect(bench, way, userId));
        }
        await bench.closeAll();
      }
    }
  },
};
