// The steps that take a while: one line each, with the seconds, and their output only if they fail.

import path from "node:path";

import { Failure, capture } from "./project.mjs";

/** How much of a failed program's output is shown. */
const shownLines = 40;

/** Null where nobody watches, and before the npm packages are there. */
async function startSpinner(title) {
  if (!process.stderr.isTTY) return null;
  const ora = await import("ora").catch(() => null);
  return ora?.default(title).start() ?? null;
}

/**
 * Says what is going on while `work` runs, and how long it took.
 *
 * @template T
 * @param {string} title
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function step(title, work) {
  const begun = Date.now();
  const seconds = () => `${Math.round((Date.now() - begun) / 1000)} s`;
  const spinner = await startSpinner(title);
  if (!spinner) console.error(`${title} ...`);
  const ticks = setInterval(() => {
    if (spinner) spinner.text = `${title} (${seconds()})`;
  }, 1000);
  try {
    const result = await work();
    spinner?.succeed(`${title} (${seconds()})`);
    if (!spinner) console.error(`${title}: done in ${seconds()}`);
    return result;
  } catch (error) {
    spinner?.fail(`${title} (failed after ${seconds()})`);
    throw error;
  } finally {
    clearInterval(ticks);
  }
}

/**
 * Runs a program without showing its output, and returns what it wrote to stdout. If it fails, the Failure says
 * what the `problem` is and ends with the end of the output.
 */
export async function runQuietly(command, args, { problem, ...options } = {}) {
  const { code, stdout, stderr } = await capture(command, args, options);
  if (code === 0) return stdout;
  const output = `${stdout}\n${stderr}`.trimEnd().split("\n").slice(-shownLines).join("\n");
  const what = problem ?? `${path.basename(command)} ${args[0]} exited with code ${code}`;
  throw new Failure(`${what}:\n${output}`);
}
