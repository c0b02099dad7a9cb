// `npm test`: runs setup, then every check, until one fails. The Worker is built while the code is checked.
//   npm test -- --only lint|native|build|e2e
//   npm test -- tests/foo.test.ts ...           (the build and only these files)

import { existsSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import {
  Failure,
  capture,
  cargoLocked,
  inRoot,
  isMain,
  main,
  nodeProgram,
  nodeTests,
  parseOrFail,
  nodeScript,
  prettier,
  run,
  toolEnv,
  wrangler,
} from "./lib/project.mjs";
import { setup } from "./setup.mjs";

const partNames = ["lint", "native", "build", "e2e"];
const usage = `usage: npm test -- [--only ${partNames.join("|")}] [tests/FILE.test.ts ...]`;
const testTimeoutMs = 240_000;

const clippy = (...args) => ["cargo", ["clippy", ...cargoLocked, ...args, "--", "-D", "warnings"]];

const steps = {
  lint: () => [
    ["prettier (npm run format fixes it)", () => prettier("--check")],
    [
      "tsc: types of bench/, client/, console/ and tests/",
      () => nodeProgram("typescript/bin/tsc", []),
    ],
    ["cargo fmt (npm run format fixes it)", () => ["cargo", ["fmt", "--check"]]],
    ["cargo clippy, native", () => clippy("--all-targets")],
    ["cargo clippy, wasm", () => clippy("--target", "wasm32-unknown-unknown")],
    [
      "cargo clippy, wasm, conformance fixture",
      () => clippy("--target", "wasm32-unknown-unknown", "--features", "conformance"),
    ],
  ],
  native: () => [
    ["cargo test", () => ["cargo", ["test", ...cargoLocked]]],
    ["the decoders against the reference parsers", () => nodeScript("scripts/differential.mjs")],
    [
      "the contract: asyncapi.yaml and client/ (npm run contract fixes it)",
      () => nodeScript("scripts/contract.mjs", "--check"),
    ],
  ],
  build: () => [
    ["build and wrangler deploy --dry-run", () => dryRun("dist")],
    ["the wasm's size", () => nodeScript("scripts/size.mjs")],
    [
      "build and wrangler deploy --dry-run, conformance fixture",
      () => dryRun("dist-conformance", "--config=tests/conformance/wrangler.toml"),
    ],
  ],
  e2e: (files) => {
    const groups = groupsOf(files).map(([name, files, atOnce]) => [
      `end-to-end tests, ${name}`,
      () => endToEnd(files, atOnce),
    ]);
    const again = ["those of messages again, with the record in four databases", inFourShards];
    return files.length < allTests().length ? groups : [...groups, again];
  },
};

/** Tests of what the record is for. They also run with four databases (tests/support/shards.ts). */
const ofMessages = [
  "api",
  "block",
  "bulk",
  "campaign-faults",
  "idempotency",
  "messaging",
  "outbox",
  "preferences",
].map((name) => `tests/${name}.test.ts`);

function inFourShards() {
  const env = { ...toolEnv(), SWITCHBOARD_SHARDS: "4" };
  return [...endToEnd(ofMessages, 2), { env }];
}

/** Tests that need the whole machine. They run one at a time. */
const alone = [
  "backlog",
  "bounds",
  "bulk",
  "campaign-crash",
  "crash",
  "goodbye-chaos",
  "limits",
  "presence",
  "start",
].map((name) => `tests/${name}.test.ts`);

/** Tests that run wrangler all the time, which uses one core. They run at the same time, beside nothing else. */
const busy = ["deploy", "scripts"].map((name) => `tests/${name}.test.ts`);

/**
 * Tests that wait for minutes and do next to nothing. They run at the same time, but beside nothing else: what they
 * assert is when pings arrive.
 */
const idle = [
  "economics",
  "pacemaker",
  "pacemaker-lost",
  "pacemaker-settings",
  "pacemaker-unreached",
  "recovery",
].map((name) => `tests/${name}.test.ts`);

function groupsOf(files) {
  const among = (list) => files.filter((file) => list.includes(file));
  const special = [...alone, ...busy, ...idle];
  const others = files.filter((file) => !special.includes(file));
  return [
    // They start their own servers and mostly wait.
    ["two files at a time", others, 2],
    ["those that run wrangler", among(busy), busy.length],
    ["those that wait for minutes", among(idle), idle.length],
    ["one file at a time", among(alone), 1],
  ].filter(([, files]) => files.length > 0);
}

function dryRun(folder, ...options) {
  // The wasm's file name contains its hash, so files of older builds would accumulate.
  rmSync(inRoot(folder), { recursive: true, force: true });
  return wrangler("deploy", "--dry-run", `--outdir=${inRoot(folder)}`, ...options);
}

const builds = ["dist", "dist-conformance"];
const isBuilt = () => builds.every((folder) => existsSync(inRoot(folder, "index.js")));

function endToEnd(files, atOnce) {
  // --test-force-exit: handles left open by a failed test must not block the other files.
  return nodeTests(
    `--test-concurrency=${atOnce}`,
    "--test-force-exit",
    `--test-timeout=${testTimeoutMs}`,
    ...files,
  );
}

function allTests() {
  const names = readdirSync(inRoot("tests")).filter((name) => name.endsWith(".test.ts"));
  return names.sort().map((name) => `tests/${name}`);
}

function chooseParts({ only, files }) {
  if (only !== undefined && !partNames.includes(only)) throw new Failure(usage);
  if (only === "e2e" && !isBuilt()) return ["build", "e2e"];
  if (only !== undefined) return [only];
  return files.length > 0 ? ["build", "e2e"] : partNames;
}

/** Runs a program and shows its output at the end, because another program is showing its own. */
async function runThenShow(command, args, options) {
  const { code, stdout, stderr } = await capture(command, args, options);
  process.stdout.write(stdout + stderr);
  if (code === 0) return;
  throw new Failure(`${[path.basename(command), ...args].join(" ")} exited with code ${code}`);
}

async function runStep([name, command], execute) {
  const begin = Date.now();
  console.log(`\n== ${name}`);
  await execute(...command()).catch((error) => {
    throw new Failure(`npm test failed at: ${name}\n${error.message}`);
  });
  console.log(`== ${name}: passed in ${((Date.now() - begin) / 1000).toFixed(1)} s`);
}

/** Runs the steps in order, and the others alongside. After one has failed, none begins. */
async function runAll(steps, others = []) {
  let hasFailed = false;
  const lane = async (steps, execute) => {
    for (const step of steps) {
      if (hasFailed) return;
      await runStep(step, execute).catch((error) => {
        hasFailed = true;
        throw error;
      });
    }
  };
  const ends = await Promise.allSettled([lane(steps, run), lane(others, runThenShow)]);
  const failed = ends.find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
}

if (isMain(import.meta)) {
  await main(async () => {
    const options = { only: { type: "string" } };
    const parse = () => parseArgs({ options, allowPositionals: true });
    const { values, positionals } = parseOrFail(parse, usage);
    const parts = chooseParts({ only: values.only, files: positionals });
    await setup();
    const files = positionals.length > 0 ? positionals : allTests();
    const stepsOf = (...names) =>
      parts.filter((part) => names.includes(part)).flatMap((part) => steps[part](files));
    // Cargo does not make one wait for the other, and for half of the time, the optimizer of a build uses one core.
    await runAll(stepsOf("lint", "native"), stepsOf("build"));
    await runAll(stepsOf("e2e"));
  });
}
