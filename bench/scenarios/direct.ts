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

/** The pause before the first direct message: by then the bulk send is in its commit. */
const HEAD_START_MS = 20;

const worst = "the slowest of those during a bulk, as a ratio: it meets the commit of the bulk";
const asRatio = "the same, as a ratio to the time of a direct message alone";

export const directDuringBulk: Scenario = {
  name: "during-bulk",
  rows: {
    direct: {
      name: `direct message during a bulk to ${RECEIVERS}`,
      unit: "ms",
      meaning:
        "until another sender's receiver has it; one after another until the bulk is answered",
    },
    ratio: {
      name: `direct message during a bulk to ${RECEIVERS}, ratio`,
      unit: "",
      meaning: asRatio,
    },
    worstRatio: {
      name: `slowest direct message during a bulk to ${RECEIVERS}, ratio`,
      unit: "",
      meaning: worst,
    },
    own: {
      name: `direct message during one's own bulk to ${RECEIVERS}`,
      unit: "ms",
      meaning: "until a receiver has it to whom the sender's bulk does not go; one after another",
    },
    ownRatio: {
      name: `direct message during one's own bulk to ${RECEIVERS}, ratio`,
      unit: "",
      meaning: asRatio,
    },
    ownWorstRatio: {
      name: `slowest direct message during one's own bulk to ${RECEIVERS}, ratio`,
      unit: "",
      meaning: worst,
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
    /** Sends a bulk, and direct messages as long as it runs. Returns their times. */
    const sendDuringBulk = async (from: Client) => {
      let isRunning = true;
      const sent = bench.sendBulk(sender, receiverIds).finally(() => (isRunning = false));
      await new Promise((resolve) => setTimeout(resolve, HEAD_START_MS));
      const times: number[] = [];
      do times.push(await sendAndArrive(from));
      while (isRunning);
      await sent;
      await bench.ledger.arrived();
      return times;
    };
    await bench.sendBulk(sender, receiverIds);
    await bench.ledger.arrived();
    for (const [from, row, ratio, worstRatio] of [
      [talker, "direct", "ratio", "worstRatio"],
      [sender, "own", "ownRatio", "ownWorstRatio"],
    ] as const) {
      const alone: number[] = [];
      for (let round = 0; round < bench.size(20, 2); round++) alone.push(await sendAndArrive(from));
      const usual = median(alone);
      for (let round = 0; round < bench.size(4, 1); round++) {
        const times = await sendDuringBulk(from);
        for (const time of times) {
          bench.record(row, time);
          bench.record(ratio, time / usual);
        }
        bench.record(worstRatio, Math.max(...times) / usual);
      }
    }
  },
};
