// Shared by all scripts: locates the project and runs its tools.
// Must run on Node 20 or newer before anything is installed.

import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(fileURLToPath(new URL("../..", import.meta.url)));
export const inRoot = (...parts) => path.join(root, ...parts);

/** cargo's option in CI, where a stale lock file is an error; elsewhere cargo may update it. */
export const cargoLocked = process.env.CI ? ["--locked"] : [];

export const defaultPort = 4000;

/** wrangler needs 22.12; the tests are TypeScript, which Node runs directly since 22.18. */
const oldestNode = [22, 18];

/** An error meant for the user: only its message is printed, not its stack. */
export class Failure extends Error {}

/** Whether the module with this `import.meta` was run from the command line. */
export function isMain(meta) {
  const started = process.argv[1];
  return Boolean(started) && realpathSync(started) === fileURLToPath(meta.url);
}

/** Runs a script's main function; prints an error to stderr and sets the exit code to 1. */
export async function main(run) {
  try {
    await run();
  } catch (error) {
    console.error(error instanceof Failure ? `error: ${error.message}` : error);
    process.exitCode = 1;
  }
}

/** Calls `parse`, and turns an error of parseArgs into a Failure with the usage. */
export function parseOrFail(parse, usage) {
  try {
    return parse();
  } catch (error) {
    throw new Failure(`${error.message}\n${usage}`);
  }
}

/** Returns the Node binary for wrangler and the tests, or null if only an older one is available. */
export function findNode() {
  const pinned = inRoot("node_modules", ".bin", "node");
  if (existsSync(pinned)) return pinned;
  const [major, minor] = process.versions.node.split(".").map(Number);
  const [neededMajor, neededMinor] = oldestNode;
  const enough = major > neededMajor || (major === neededMajor && minor >= neededMinor);
  return enough ? process.execPath : null;
}

function nodeBin() {
  const node = findNode();
  if (!node) throw new Failure("node_modules/.bin/node is missing: run `npm run setup` first");
  return node;
}

function withoutProjectBins(searchPath) {
  const bins = path.join("node_modules", ".bin");
  return searchPath.split(path.delimiter).filter((entry) => !entry.endsWith(bins));
}

/**
 * Returns the environment without this project's node_modules/.bin, which npm puts first in PATH: `npm ci`
 * deletes that folder while it runs, so it must not run on the Node binary in it.
 */
export function systemEnv() {
  const searchPath = withoutProjectBins(process.env.PATH ?? "");
  return { ...process.env, PATH: searchPath.join(path.delimiter) };
}

/**
 * Returns the environment for the project's tools: no prompts, no telemetry, and no files written outside
 * the project.
 */
export function toolEnv() {
  const bins = inRoot("node_modules", ".bin");
  const searchPath = [bins, ...withoutProjectBins(process.env.PATH ?? "")];
  return {
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
    WRANGLER_HIDE_BANNER: "true",
    WRANGLER_LOG_PATH: inRoot(".wrangler", "logs"),
    WRANGLER_REGISTRY_PATH: inRoot(".wrangler", "registry"),
    WRANGLER_SEND_METRICS: "false",
    ...process.env,
    PATH: searchPath.join(path.delimiter),
  };
}

/** Starts a program in the project's folder and forwards SIGINT and SIGTERM to it. */
export function start(command, args, { env = toolEnv(), stdio } = {}) {
  const child = spawn(command, args, {
    cwd: root,
    env,
    stdio: stdio ?? ["ignore", "inherit", "inherit"],
  });
  let received = null;
  const pass = (signal) => {
    received = signal;
    child.kill(signal);
  };
  process.on("SIGINT", pass).on("SIGTERM", pass);
  const ended = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      process.off("SIGINT", pass).off("SIGTERM", pass);
      resolve({ code: code ?? 128 + constants.signals[signal], received });
    });
  });
  return { child, ended };
}

/** Runs a program and waits for it to exit; a nonzero exit code throws a Failure. */
export async function run(command, args, options) {
  const { code, received } = await start(command, args, options).ended;
  if (received) process.exit(128 + constants.signals[received]);
  if (code === 0) return;
  throw new Failure(`${[path.basename(command), ...args].join(" ")} exited with code ${code}`);
}

/** Runs a program silently and returns its exit code and output. */
export async function capture(command, args, options) {
  const { child, ended } = start(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) {
    child[name].setEncoding("utf8").on("data", (text) => (output[name] += text));
  }
  const { code, received } = await ended;
  if (received) process.exit(128 + constants.signals[received]);
  return { code, ...output };
}

/**
 * Returns the command and arguments that run a program of an npm package.
 *
 * @returns {[command: string, args: string[]]}
 */
export function nodeProgram(script, args) {
  return [nodeBin(), [inRoot("node_modules", ...script.split("/")), ...args]];
}

export const wrangler = (...args) => nodeProgram("wrangler/bin/wrangler.js", args);
export const prettier = (...args) =>
  nodeProgram("prettier/bin/prettier.cjs", [
    ...args,
    "--log-level=warn",
    "**/*.{css,cts,html,js,json,md,mjs,ts,yaml}",
  ]);
export const nodeScript = (...args) => [nodeBin(), args];
export const nodeTests = (...args) => [nodeBin(), ["--test", ...args]];
