// The release build: Rust -> wasm -> build/index.js, which is `main` in wrangler.toml.
// wrangler calls this for every dev, deploy and dry run ([build] in wrangler.toml).
// With --conformance: the fixture of the official protocol suites, into build-conformance/.

import { existsSync } from "node:fs";
import path from "node:path";

import { Failure, inRoot, isMain, main, run, toolEnv } from "./lib/project.mjs";

// worker-build would download what it does not find here.
const tools = {
  WASM_BINDGEN_BIN: [".tools", "bin", "wasm-bindgen"],
  WASM_OPT_BIN: ["node_modules", "binaryen", "bin", "wasm-opt"],
  ESBUILD_BIN: ["node_modules", "esbuild", "bin", "esbuild"],
};
const workerBuild = [".tools", "bin", "worker-build"];

function locate(parts) {
  const file = inRoot(...parts);
  if (existsSync(file)) return file;
  throw new Failure(`${path.join(...parts)} is missing: run \`npm run setup\` first`);
}

/** What differs between the builds: worker-build's options, and cargo's. */
const variants = {
  product: { options: [], cargo: [] },
  conformance: {
    options: ["--out-dir", "build-conformance"],
    cargo: ["--features", "conformance"],
  },
};

export async function build(variant = "product") {
  const { options, cargo } = variants[variant];
  const places = Object.entries(tools).map(([name, parts]) => [name, locate(parts)]);
  const env = { ...toolEnv(), ...Object.fromEntries(places) };
  const locked = process.env.CI ? ["--locked"] : [];
  const args = ["--release", ...options, "--", ...cargo, ...locked];
  await run(locate(workerBuild), args, { env });
}

if (isMain(import.meta)) {
  await main(() => build(process.argv.includes("--conformance") ? "conformance" : "product"));
}
