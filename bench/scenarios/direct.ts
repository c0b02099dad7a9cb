// Direct messages, alone and while a bulk send runs.

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

export const directDuringBulk: Scenario = {
  name: "during-bulk",
  rows: {
    direct: {
      name: "direct message during a bulk to 1,000",
      unit: "ms",
      meaning:
        "until another sender's receiver has it; sent 20 ms after a bulk, to users who are online",
    },
  },
  async run(bench) {
    const receiverIds = bench.ids("receiver", bench.size(1_000, 10));
    await bench.connectAll(receiverIds);
    const sender = await bench.contractor();
    const [talker, listener] = await bench.connectAll(bench.ids("talker", 2));
    await bench.sendBulk(sender, receiverIds);
    await bench.sendDirect(talker, listener.userId);
    await bench.ledger.arrived();
    for (let round = 0; round < bench.size(4, 1); round++) {
      const sent = bench.sendBulk(sender, receiverIds);
      await new Promise((resolve) => setTimeout(resolve, 20));
      const arrived = listener.next();
      await bench.time("direct", async () => {
        await Promise.all([bench.sendDirect(talker, listener.userId), arrived]);
      });
      await sent;
      await bench.ledger.arrived();
    }
  },
};
