// `npm run test:abuse`: hostile clients of every kind, all at once, while a healthy client is measured.
// scripts/test-abuse.mjs starts it with a Node that is new enough for wrangler.
//
//   --seconds N      how long the attacks last (600)
//   --attack NAME    only this attack; may be repeated
//
// It fails if the healthy client ever waits for more than two seconds, or if the wasm's memory is larger at the end than
// after the first attacks, by more than chance explains. The local runtime itself keeps some memory for every request,
// whatever the Worker does: so the same attacks first go to a plain JavaScript Worker (plain.js), for a third of the time,
// and the runtime must not have grown much more at the end, for each request and frame, than with that Worker.

import { parseArgs } from "node:util";
import { setTimeout as pause } from "node:timers/promises";
import { Worker } from "node:worker_threads";

import { Failure, main } from "../../scripts/lib/project.mjs";
import { createDevServer } from "../support/dev.ts";
import type { DevServer } from "../support/dev.ts";
import { attacks } from "./attacks/index.ts";
import type { Patient, Pulse } from "./health.ts";
import { measure, peak, resident, servePlain, wasmProbe } from "./memory.ts";
import type { Memory } from "./memory.ts";
import { traffic } from "./target.ts";
import type { Attack, Target } from "./target.ts";

/** The longest that the healthy client may wait for an answer or for a message. */
const LONGEST_WAIT_MS = 2_000;

/**
 * What frames and bodies within the limits may need at the same time, by chance, beyond the most that they needed
 * before: the wasm's memory never shrinks.
 */
const WASM_TOLERANCE_BYTES = 8_000_000;

/** What the engine may keep beyond what the plain Worker's growth explains: garbage that it has not collected yet. */
const RESIDENT_TOLERANCE_BYTES = 200_000_000;

/** The pause between two rounds of an attack. */
const BETWEEN_ROUNDS_MS = 1_000;

/** How long the plain Worker is attacked, as a share of the time: its growth counts for each request and frame. */
const PLAIN_SHARE = 1 / 3;

/** How long the first attacks last, after which the memory is measured. */
const WARM_UP_MS = 10_000;

/** Time for the server to end what the attackers left open: the timeout of a CONNECT, and a sweep. */
const REST_MS = 5_000;

const vars = { CONNECT_TIMEOUT_MS: 3_000, LOG_CONNECTIONS: "off" };

type Attacks = [name: string, round: Attack][];

/** Returns the attacks with these names, or all of them if there are no names. */
function choose(names: string[]): Attacks {
  const unknown = names.find((name) => !Object.hasOwn(attacks, name));
  if (unknown) {
    throw new Failure(`there is no attack "${unknown}"; there are: ${Object.keys(attacks)}`);
  }
  return Object.entries(attacks).filter(([name]) => names.length === 0 || names.includes(name));
}

/** Runs the attacks until the time is up. Returns how many rounds there were of each. */
async function attack(target: Target, chosen: Attacks, forMs: number) {
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
  await Promise.all(chosen.map(([name, round]) => repeat(name, round)));
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

const amount = ({ requests, frames }: Traffic) => `${requests} requests and ${frames} frames`;

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

/** Returns a function that returns how many requests and frames have been sent since. */
function countTraffic() {
  const { requests, frames } = traffic;
  return () => ({ requests: traffic.requests - requests, frames: traffic.frames - frames });
}

type Traffic = ReturnType<ReturnType<typeof countTraffic>>;

/** Attacks the plain Worker. Returns by how much the runtime has grown, in bytes, and with how much traffic. */
async function attackPlainWorker(chosen: Attacks, seconds: number) {
  const server = await createDevServer(vars, { edit: servePlain });
  try {
    await server.start();
    await attack(server, chosen, WARM_UP_MS);
    await pause(REST_MS);
    const before = resident(server);
    const count = countTraffic();
    await attack(server, chosen, PLAIN_SHARE * seconds * 1_000);
    const sent = count();
    await pause(REST_MS);
    const after = resident(server);
    console.log(
      `plain JavaScript: resident ${megabytes(before)} before, ${megabytes(after)} after ${amount(sent)}`,
    );
    return { growth: after - before, sent };
  } finally {
    await server.close();
  }
}

async function abuse(server: DevServer, chosen: Attacks, seconds: number) {
  await attack(server, chosen, WARM_UP_MS);
  await pause(REST_MS);
  const before = await measure(server);
  console.log(`before: ${describe(before)}`);

  const health = watchHealth(server);
  const count = countTraffic();
  const rounds = await attack(server, chosen, seconds * 1_000);
  const sent = count();
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
  console.log(`after ${amount(sent)}: ${describe(after)}, peak ${megabytes(peak(server))}`);
  return {
    before,
    after,
    sent,
    longest: Math.max(...pulses.flatMap((pulse) => Object.values(pulse))),
  };
}

type Plain = Awaited<ReturnType<typeof attackPlainWorker>>;

/** Returns by how much the plain Worker would have grown with this traffic, in bytes. */
function explained({ growth, sent }: Plain, { requests, frames }: Traffic) {
  return (growth * (requests + frames)) / (sent.requests + sent.frames);
}

function check({ before, after, sent, longest }: Awaited<ReturnType<typeof abuse>>, plain: Plain) {
  if (longest > LONGEST_WAIT_MS) {
    throw new Failure(`the healthy client waited for ${longest.toFixed(0)} ms`);
  }
  if (after.wasm > before.wasm + WASM_TOLERANCE_BYTES) {
    throw new Failure("the wasm's memory has grown");
  }
  const allowed = explained(plain, sent) + RESIDENT_TOLERANCE_BYTES;
  if (after.resident > before.resident + allowed) {
    throw new Failure("the runtime's memory has grown by more than with a plain Worker");
  }
}

await main(async () => {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "600" },
      attack: { type: "string", multiple: true, default: [] },
    },
  });
  const chosen = choose(values.attack);
  const seconds = Number(values.seconds);
  const plain = await attackPlainWorker(chosen, seconds);
  const server = await createDevServer(vars, { probe: wasmProbe });
  try {
    await server.start();
    check(await abuse(server, chosen, seconds), plain);
  } finally {
    await server.close();
  }
});
// Attackers may have left connections open.
process.exit();
