// `npm run test:abuse`: hostile clients of every kind, all at once, while a healthy client is measured.
// scripts/test-abuse.mjs starts it with a Node that is new enough for wrangler.
//
//   --seconds N    how long the attacks last (600)
//
// It fails if the healthy client ever waits for more than two seconds, or if the memory of the wasm or of the runtime is
// larger at the end than after the first attacks, by more than chance explains.

import { parseArgs } from "node:util";
import { setTimeout as pause } from "node:timers/promises";
import { Worker } from "node:worker_threads";

import { Failure, main } from "../../scripts/lib/project.mjs";
import { createDevServer } from "../support/dev.ts";
import type { DevServer } from "../support/dev.ts";
import { attacks } from "./attacks/index.ts";
import type { Patient, Pulse } from "./health.ts";
import { measure, peak } from "./memory.ts";
import type { Memory } from "./memory.ts";
import type { Attack, Target } from "./target.ts";

/** The longest that the healthy client may wait for an answer or for a message. */
const LONGEST_WAIT_MS = 2_000;

/**
 * What frames and bodies within the limits may need at the same time, by chance, beyond the most that they needed
 * before: the wasm's memory never shrinks.
 */
const WASM_TOLERANCE_BYTES = 8_000_000;

/** What the engine may hold on to beside the wasm: garbage, and what it keeps for the next time. */
const RESIDENT_TOLERANCE_BYTES = 200_000_000;

/** The pause between two rounds of an attack. */
const BETWEEN_ROUNDS_MS = 1_000;

/** How long the first attacks last, after which the memory is measured. */
const WARM_UP_MS = 10_000;

/** Time for the server to end what the attackers left open: the timeout of a CONNECT, and a sweep. */
const REST_MS = 5_000;

const vars = { CONNECT_TIMEOUT_MS: 3_000, LOG_CONNECTIONS: "off" };

/** Runs all attacks until the time is up. Returns how many rounds there were of each. */
async function attack(target: Target, forMs: number) {
  const until = Date.now() + forMs;
  const rounds = new Map<string, number>();
  const repeat = async (name: string, round: Attack) => {
    while (Date.now() < until) {
      await round(target);
      rounds.set(name, (rounds.get(name) ?? 0) + 1);
      // Some rounds are over at once: repeated without a pause, they would only measure the machine.
      await pause(BETWEEN_ROUNDS_MS);
    }
  };
  await Promise.all(Object.entries(attacks).map(([name, round]) => repeat(name, round)));
  return rounds;
}

/** Measures a healthy client until `stop` is called, which returns its waits. */
function watchHealth(server: DevServer) {
  const customerId = "healthy-customer";
  const tokens: Patient["tokens"] = [server.token("healthy"), server.token(customerId)];
  const workerData: Patient = { url: server.url, tokens, customerId };
  const thread = new Worker(new URL("./health.ts", import.meta.url), { workerData });
  const pulses: Pulse[] = [];
  let last = Date.now();
  thread.on("message", (pulse: Pulse) => {
    pulses.push(pulse);
    last = Date.now();
  });
  return {
    async stop() {
      await thread.terminate();
      // A pulse that never came counts, too.
      const silence = Date.now() - last;
      return [...pulses, { requestMs: silence, deliveryMs: silence }];
    },
  };
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

function describe({ wasm, resident }: Memory) {
  return `wasm ${megabytes(wasm)}, resident ${megabytes(resident)}`;
}

function report(name: string, waits: number[]) {
  const sorted = waits.toSorted((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor(share * (sorted.length - 1))] ?? NaN).toFixed(0);
  console.log(
    `${name}: ${sorted.length}, median ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`,
  );
}

async function abuse(server: DevServer, seconds: number) {
  await attack(server, WARM_UP_MS);
  await pause(REST_MS);
  const before = await measure(server);
  console.log(`before: ${describe(before)}`);

  const health = watchHealth(server);
  const rounds = await attack(server, seconds * 1_000);
  const pulses = await health.stop();
  await pause(REST_MS);
  const after = await measure(server);

  for (const [name, count] of rounds) console.log(`${name}: ${count} rounds`);
  report(
    "requests of the healthy client",
    pulses.map(({ requestMs }) => requestMs),
  );
  report(
    "its messages until they were delivered",
    pulses.map(({ deliveryMs }) => deliveryMs),
  );
  console.log(`after: ${describe(after)}, peak ${megabytes(peak(server))}`);
  return { before, after, longest: Math.max(...pulses.flatMap((pulse) => Object.values(pulse))) };
}

function check({ before, after, longest }: Awaited<ReturnType<typeof abuse>>) {
  if (longest > LONGEST_WAIT_MS) {
    throw new Failure(`the healthy client waited for ${longest.toFixed(0)} ms`);
  }
  if (after.wasm > before.wasm + WASM_TOLERANCE_BYTES)
    throw new Failure("the wasm's memory has grown");
  if (after.resident > before.resident + RESIDENT_TOLERANCE_BYTES) {
    throw new Failure("the runtime's memory has grown");
  }
}

await main(async () => {
  const { values } = parseArgs({ options: { seconds: { type: "string", default: "600" } } });
  const server = await createDevServer(vars, { hasProbe: true });
  try {
    await server.start();
    check(await abuse(server, Number(values.seconds)));
  } finally {
    await server.close();
  }
});
// Attackers may have left connections open.
process.exit();
