// `npm test`: runs setup, then every check in order, until one fails.
//   npm test -- --only lint|native|build|e2e
//   npm test -- tests/foo.test.ts ...           (the build and only these files)

import { existsSync, readdirSync, rmSync } from "node:fs";
import { parseArgs } from "node:util";

import {
  Failure,
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
].map((name) => `tests/${name}.test.ts`);

function inFourShards() {
  const env = { ...toolEnv(), SWITCHBOARD_SHARDS: "4" };
  return [...endToEnd(ofMessages, 2), { env }];
}

/**
 * Tests that need the whole machine or use the project's folder. They run one at a time. All others start
 * their own servers and mostly wait.
 */
const alone = [
  "backlog",
  "bounds",
  "bulk",
  "campaign-crash",
  "crash",
  "deploy",
  "goodbye-chaos",
  "limits",
  "presence",
  "scripts",
  "start",
].map((name) => `tests/${name}.test.ts`);

/**
 * Tests that wait for minutes and do next to nothing. They run at the same time, but beside nothing else: what they
 * assert is when pings arrive.
 */
const idle = ["economics", "recovery"].map((name) => `tests/${name}.test.ts`);

function groupsOf(files) {
  const among = (list) => files.filter((file) => list.includes(file));
  const others = files.filter((file) => !alone.includes(file) && !idle.includes(file));
  return [
    ["two files at a time", others, 2],
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

async function runStep([name, command]) {
  const begin = Date.now();
  console.log(`\n== ${name}`);
  await run(...command()).catch((error) => {
    throw new Failure(`npm test failed at: ${name}\n${error.message}`);
  });
  console.log(`== ${name}: passed in ${((Date.now() - begin) / 1000).toFixed(1)} s`);
}

if (isMain(import.meta)) {
  await main(async () => {
    const options = { only: { type: "string" } };
    const parse = () => parseArgs({ options, allowPositionals: true });
    const { values, positionals } = parseOrFail(parse, usage);
    const parts = chooseParts({ only: values.only, files: positionals });
    await setup();
    const files = positionals.length > 0 ? positionals : allTests();
    for (const step of parts.flatMap((part) => steps[part](files))) await runStep(step);
  });
}
