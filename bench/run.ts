// `npm run bench`: compares the product with the floor (bench/floor) and with a peer, and checks that every
// message arrives exactly once.
//
//   npm run bench -- [--smoke] [--only SCENARIO] [--pairs N] [--against floor-rpc|floor-fetch|peer] [--write]
//
// --smoke runs everything once with few users; it checks exactness, and its times mean nothing.
// --only and --against may be repeated; --only also takes the beginning of a name.
// --write writes docs/performance.md.

import { writeFileSync } from "node:fs";
import { constants } from "node:os";
import { parseArgs } from "node:util";

import { build } from "../scripts/build.mjs";
import { Failure, inRoot, main, nodeProgram, parseOrFail, run } from "../scripts/lib/project.mjs";
import { closeConnections } from "./load/polling.ts";
import { openFilesLimit } from "./report/process.ts";
import { page } from "./report/page.ts";
import { Results } from "./report/results.ts";
import { table } from "./report/table.ts";
import { describeWasm } from "./report/wasm.ts";
import { Bench } from "./scenarios/bench.ts";
import type { Row, Scenario } from "./scenarios/bench.ts";
import { scenarios } from "./scenarios/index.ts";
import { product, rivals, wasm } from "./targets/index.ts";
import type { Target, TargetKind } from "./targets/target.ts";

const performancePage = inRoot("docs", "performance.md");

const usage =
  "usage: npm run bench -- [--smoke] [--only SCENARIO] [--pairs N] [--against TARGET] [--write]\n" +
  `scenarios: ${scenarios.map(({ name }) => name).join(", ")}\n` +
  `targets: ${rivals.map(({ name }) => name).join(", ")}`;

const start: Row = {
  name: "start to first answer",
  unit: "ms",
  meaning: "from the start of the process until it has answered a handshake",
};

interface Options {
  isSmoke: boolean;
  pairs: number;
  chosen: Scenario[];
  against: TargetKind[];
  write: boolean;
}

function readOptions(): Options {
  const options = {
    smoke: { type: "boolean", default: false },
    only: { type: "string", multiple: true },
    pairs: { type: "string", default: "3" },
    against: { type: "string", multiple: true },
    write: { type: "boolean", default: false },
  } as const;
  const { values } = parseOrFail(() => parseArgs({ options }), usage);
  const { smoke: isSmoke, only, against, write } = values;
  const asked: string[] | undefined = only;
  const isChosen = ({ name }: Scenario) =>
    asked?.some((begin) => name === begin || name.startsWith(`${begin}-`)) ?? true;
  const isRival = ({ name }: TargetKind) => against?.includes(name) ?? true;
  const chosen = scenarios
    .filter(isChosen)
    .filter(({ isRepetition }) => !(isSmoke && isRepetition));
  const compared = rivals.filter(isRival);
  const pairs = isSmoke ? 1 : Number(values.pairs);
  const isValid =
    chosen.length > 0 &&
    compared.length >= (against?.length ?? 1) &&
    Number.isInteger(pairs) &&
    pairs > 0 &&
    !(isSmoke && write);
  if (!isValid) throw new Failure(usage);
  return { isSmoke, pairs, chosen, against: compared, write };
}

/** Runs a scenario. Returns its samples; fails unless every message has arrived exactly once. */
async function runScenario(scenario: Scenario, target: Target, isSmoke: boolean) {
  const bench = new Bench(target, scenario.name, isSmoke);
  await scenario.run(bench);
  const faults = await bench.ledger.settle();
  await bench.closeAll();
  if (faults.length > 0) {
    const list = faults.slice(0, 10).map(({ kind, what }) => `  ${kind}: ${what}`);
    throw new Failure(`not exactly once: ${faults.length} faults\n${list.join("\n")}`);
  }
  return bench;
}

/** Runs scenarios against one new server. */
async function runOn(kind: TargetKind, together: Scenario[], isSmoke: boolean, results: Results) {
  const [{ vars }] = together;
  const target = await kind.start(vars?.(isSmoke) ?? {});
  try {
    for (const scenario of together) {
      const begun = performance.now();
      const { ledger, samples } = await runScenario(scenario, target, isSmoke);
      const took = `${((performance.now() - begun) / 1_000).toFixed(1)} s`;
      console.log(`${scenario.name}, ${kind.name}: ${took}, ${ledger.deliveries} deliveries`);
      results.add(kind.name, scenario.rows, samples);
    }
    results.add(kind.name, { start }, { start: [target.startMs] });
    if (target.errors().length > 0) throw new Failure(`${kind.name} has logged errors`);
  } catch (error) {
    console.error(`${kind.name} has failed; it has logged:`, target.errors().slice(0, 10));
    throw error;
  } finally {
    await target.close();
  }
}

/** Leaves out the scenarios for which the system does not allow enough open files, and says so. */
function possible(chosen: Scenario[]) {
  return chosen.filter(({ name, openFiles = 0 }) => {
    if (openFiles <= openFilesLimit()) return true;
    console.log(`${name} is left out: it needs \`ulimit -n ${openFiles}\``);
    return false;
  });
}

/** Each scenario runs on a server of its own; in a smoke run, those with the same variables share one. */
function grouped(chosen: Scenario[], isSmoke: boolean): Scenario[][] {
  if (!isSmoke) return chosen.map((scenario) => [scenario]);
  const groups = Object.groupBy(chosen, ({ vars }) => JSON.stringify(vars?.(isSmoke) ?? {}));
  return Object.values(groups).map((group) => group ?? []);
}

async function runAll({ isSmoke, pairs, chosen, against }: Options) {
  const results = new Results(start);
  for (const together of grouped(isSmoke ? chosen : possible(chosen), isSmoke)) {
    const count = together.some(({ isSlow }) => isSlow) ? Math.ceil(pairs / 3) : pairs;
    for (let pair = 0; pair < count; pair++) {
      for (const kind of [product, ...against]) await runOn(kind, together, isSmoke, results);
    }
  }
  closeConnections();
  return results;
}

async function report({ results, write, pairs, against }: Options & { results: Results }) {
  const names = against.map(({ name }) => name);
  const shown = table(results, product.name, names);
  const sentence = await describeWasm(wasm);
  console.log(`\n${shown}\n\n${sentence}`);
  if (!write) return;
  const options = process.argv.slice(2).filter((option) => option !== "--write");
  const text = page({ results, table: shown, wasm: sentence, pairs, rivals: names, options });
  writeFileSync(performancePage, text);
  await run(...nodeProgram("prettier/bin/prettier.cjs", ["--write", performancePage]));
}

// So that whatever is removed at the exit is removed after an interruption, too.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => process.exit(128 + constants.signals[signal]));
}

await main(async () => {
  const options = readOptions();
  if (!options.isSmoke && process.env.SWITCHBOARD_PROFILE === "dev") {
    throw new Failure("SWITCHBOARD_PROFILE=dev is not what is deployed: measure the release build");
  }
  await build();
  const begun = performance.now();
  const results = await runAll(options);
  console.log(`took ${Math.round((performance.now() - begun) / 1_000)} s`);
  // The times of a smoke run mean nothing.
  if (!options.isSmoke) await report({ ...options, results });
});
