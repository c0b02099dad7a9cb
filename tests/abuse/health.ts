// A healthy client, in a thread of its own: the attackers must delay the server's answers, not the measurement.

import { parentPort, workerData } from "node:worker_threads";
import { setTimeout as pause } from "node:timers/promises";
import { io } from "socket.io-client";

/** What the thread is given. */
export interface Patient {
  url: string;
  /** The tokens of the client and of the customer who gets its messages. */
  tokens: [client: string, customer: string];
  customerId: string;
}

/** What the thread reports, in milliseconds: how long a request took, and a message until it was delivered. */
export interface Pulse {
  requestMs: number;
  deliveryMs: number;
}

const EVERY_MS = 200;

async function measure({ url, tokens, customerId }: Patient) {
  const options = { transports: ["websocket"], forceNew: true };
  const [client, customer] = tokens.map((token) => io(url, { ...options, auth: { token } }));
  await Promise.all(
    [client, customer].map((socket) => new Promise<void>((done) => socket.once("connect", done))),
  );
  for (let count = 0; ; count++) {
    const begun = performance.now();
    await client.emitWithAck("get_online_status", { userId: customerId });
    const requestMs = performance.now() - begun;
    const text = `pulse ${count}`;
    const delivered = new Promise<void>((done) => customer.once("new_message", () => done()));
    client.emit("send_message", {
      receiverId: customerId,
      messageType: "text",
      content: { text },
    });
    await delivered;
    const pulse: Pulse = { requestMs, deliveryMs: performance.now() - begun - requestMs };
    parentPort?.postMessage(pulse);
    await pause(EVERY_MS);
  }
}

await measure(workerData);
