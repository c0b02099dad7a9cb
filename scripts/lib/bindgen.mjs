// wasm-bindgen: the step of the build between the compiled Worker and its JavaScript. Uses the program
// `wasm-bindgen` if the PATH has exactly the version that the Worker is compiled with; otherwise builds
// scripts/bindgen, which contains only what is needed of it.

import { existsSync, readFileSync } from "node:fs";

import { cargoLocked, capture, inRoot, systemEnv } from "./project.mjs";
import { runQuietly } from "./steps.mjs";

const target = inRoot("target", "tools");
const ownTool = inRoot("target", "tools", "tools", "switchboard-bindgen");

function pinnedVersion() {
  const manifest = readFileSync(inRoot("Cargo.toml"), "utf8");
  return /^wasm-bindgen = "=(.+)"$/m.exec(manifest)?.[1];
}

async function isOnPath() {
  const asked = capture("wasm-bindgen", ["--version"], { env: systemEnv() });
  const found = await asked.catch(() => null);
  return found?.stdout.trim() === `wasm-bindgen ${pinnedVersion()}`;
}

/** Whether nothing has to be built first. */
export const hasBindgen = async () => existsSync(ownTool) || (await isOnPath());

/** Cargo itself decides whether there is anything to do. */
export async function ensureBindgen() {
  if (await isOnPath()) return;
  const where = [`--target-dir=${target}`, "--profile=tools"];
  const args = ["build", "--package=switchboard-bindgen", ...where, ...cargoLocked];
  await runQuietly("cargo", args, { env: systemEnv() });
}

/**
 * Returns the command and arguments that write the wasm and its glue to a folder, as index_bg.wasm and index.js.
 *
 * @returns {Promise<[command: string, args: string[]]>}
 */
export async function bindgen(wasm, folder) {
  if (!(await isOnPath())) return [ownTool, [wasm, folder]];
  // The same settings as in scripts/bindgen.
  const settings = ["--target=module", "--no-typescript", "--out-name=index"];
  const reset = ["--experimental-reset-state-function", "--force-enable-abort-handler"];
  return ["wasm-bindgen", [wasm, `--out-dir=${folder}`, ...settings, ...reset]];
}
