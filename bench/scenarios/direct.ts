// Direct messages, alone and while a bulk send runs.

import type { Client } from "../load/client.ts";
import { median } from "../report/results.ts";
import type { Scenario } from "./bench.ts";

export const direct: Scenario = {
  name: "direct",
  rows: {
    reply: {
      name: "direct message: reply",
      unit: "ms",
      meaning: "until the sender has the reply; one message at a time",
    },
    arrival: {
      name: "direct message: arrival",
      unit: "ms",
      meaning: "until the sender has the reply and the receiver has the message",
    },
  },
  async run(bench) {
    const pairs = bench.size(10, 2);
    const receivers = await bench.connectAll(bench.ids("receiver", pairs));
    const senders = await bench.connectAll(bench.ids("sender", pairs));
    const send = (index: number) => bench.sendDirect(senders[index], receivers[index].userId);
    // The first messages create the conversations and warm up.
    for (let round = 0; round < bench.size(30, 1); round++) {
      for (const index of senders.keys()) await send(index);
    }
    await bench.ledger.arrived();
    for (let round = 0; round < bench.size(15, 2); round++) {
      for (const index of senders.keys()) {
        await bench.time("arrival", async () => {
          await bench.time("reply", () => send(index));
          await bench.ledger.arrived();
        });
      }
    }
  },
};

const RECEIVERS = "1,000";

export const directDuringBulk: Scenario = {
  name: "during-bulk",
  rows: {
    direct: {
      name: `direct message during a bulk to ${RECEIVERS}`,
      unit: "ms",
      meaning:
        "until another sender's receiver has it; sent 20 ms after a bulk, to users who are online",
    },
    ratio: {
      name: `direct message during a bulk to ${RECEIVERS}, ratio`,
      unit: "",
      meaning: "the same, as a ratio to the time of a direct message alone",
    },
    own: {
      name: `direct message during one's own bulk to ${RECEIVERS}`,
      unit: "ms",
      meaning: "until a receiver has it to whom the sender's bulk does not go; sent 20 ms after it",
    },
    ownRatio: {
      name: `direct message during one's own bulk to ${RECEIVERS}, ratio`,
      unit: "",
      meaning: "the same, as a ratio to the time of a direct message alone",
    },
  },
  async run(bench) {
    const receiverIds = bench.ids("receiver", bench.size(1_000, 10));
    await bench.connectAll(receiverIds);
    const sender = await bench.contractor();
    const [talker, listener] = await bench.connectAll(bench.ids("talker", 2));
    const sendAndArrive = async (from: Client) => {
      const begun = performance.now();
      const arrived = listener.next();
      await Promise.all([bench.sendDirect(from, listener.userId), arrived]);
      return performance.now() - begun;
    };
    await bench.sendBulk(sender, receiverIds);
    await bench.ledger.arrived();
    for (const [from, row, ratio] of [
      [talker, "direct", "ratio"],
      [sender, "own", "ownRatio"],
    ] as const) {
      const alone: number[] = [];
      for (let round = 0; round < bench.size(20, 2); round++) alone.push(await sendAndArrive(from));
      for (let round = 0; round < bench.size(4, 1); round++) {
        const sent = bench.sendBulk(sender, receiverIds);
        await new Promise((resolve) => setTimeout(resolve, 20));
        const time = await sendAndArrive(from);
        bench.record(row, time);
        bench.record(ratio, time / median(alone));
        await sent;
        await bench.ledger.arrived();
      }
    }
  },
};
