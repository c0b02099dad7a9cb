// The release build: Rust -> wasm -> build/index.js, which is `main` in wrangler.toml.
// wrangler calls this for every dev, deploy and dry run ([build] in wrangler.toml).
// With --conformance: the fixture of the official protocol suites, into build-conformance/.

import { existsSync, readdirSync, statSync } from "node:fs";
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
  product: { folder: "build", cargo: [] },
  conformance: { folder: "build-conformance", cargo: ["--features", "conformance"] },
};

// What the build is made from. Optimizing the wasm takes ten seconds even if nothing has changed.
const inputs = ["src", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "scripts/build.mjs"];

function newestOf(place) {
  const { mtimeMs } = statSync(place);
  if (!statSync(place).isDirectory()) return mtimeMs;
  // A folder's own time tells of files that went.
  const within = readdirSync(place).map((name) => newestOf(path.join(place, name)));
  return Math.max(mtimeMs, ...within);
}

/** Whether the folder holds a finished build of what is there now. */
function isCurrent(folder) {
  const outputs = ["index.js", "index_bg.wasm"].map((name) => inRoot(folder, name));
  if (!outputs.every((file) => existsSync(file))) return false;
  const built = Math.min(...outputs.map((file) => statSync(file).mtimeMs));
  return inputs.every((input) => newestOf(inRoot(input)) < built);
}

export async function build(variant = "product") {
  const { folder, cargo } = variants[variant];
  if (isCurrent(folder)) {
    console.log(`build: ${folder}/ is current`);
    return;
  }
  const places = Object.entries(tools).map(([name, parts]) => [name, locate(parts)]);
  const env = { ...toolEnv(), ...Object.fromEntries(places) };
  const locked = process.env.CI ? ["--locked"] : [];
  const args = ["--release", "--out-dir", folder, "--", ...cargo, ...locked];
  await run(locate(workerBuild), args, { env });
}

if (isMain(import.meta)) {
  await main(() => build(process.argv.includes("--conformance") ? "conformance" : "product"));
}
