// Holds deliveries up: each User object asks here before it takes a message (gated-worker.js).

import { once } from "node:events";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { inRoot } from "../../scripts/lib/project.mjs";
import { until } from "./clients.ts";

/** A wrapper of the Worker that asks the gate at GATE_URL. */
export const gatedWorker = inRoot("tests", "support", "gated-worker.js");

export type Gate = Awaited<ReturnType<typeof startGate>>;

/** Serves a gate that lets everything pass. */
export async function startGate() {
  /** Deliveries that wait, by receiver. A receiver who is not here is not held. */
  const held = new Map<string, ServerResponse[]>();
  const asked = new Map<string, number>();
  /** The status of the next answer, if it is not 200. */
  const statuses = new Map<string, number>();
  const server = createServer((request, response) => {
    const receiver = decodeURIComponent(request.url?.slice(1) ?? "");
    asked.set(receiver, (asked.get(receiver) ?? 0) + 1);
    const waiting = held.get(receiver);
    if (waiting) waiting.push(response);
    else response.writeHead(statuses.get(receiver) ?? 200).end();
    statuses.delete(receiver);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;

  /** Ends a hold: what waits passes, or is turned away. */
  function open(receiver: string, status = 200) {
    const waiting = held.get(receiver) ?? [];
    held.delete(receiver);
    for (const response of waiting) response.writeHead(status).end();
  }

  return {
    url: `http://127.0.0.1:${port}`,
    /** From now on, deliveries to the receiver wait. */
    hold: (receiver: string) => void held.set(receiver, []),
    /** Resolves when a delivery to the receiver waits. */
    waits: (receiver: string) =>
      until(() => held.get(receiver)?.length, `a delivery to ${receiver}`),
    open,
    /** Answers once for the receiver with this status. */
    async answerOnce(receiver: string, status: number) {
      statuses.set(receiver, status);
      await until(() => !statuses.has(receiver), `${receiver} asks`, 60_000);
    },
    /** How many deliveries to the receiver there were. */
    asked: (receiver: string) => asked.get(receiver) ?? 0,
    openAll() {
      for (const receiver of [...held.keys()]) open(receiver);
    },
    close() {
      this.openAll();
      server.closeAllConnections();
      server.close();
    },
  };
}
