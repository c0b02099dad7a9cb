// The release build: Rust -> wasm -> build/index.js, which is `main` in wrangler.toml, and the console
// page -> build-console/, its [assets].
// wrangler calls this for every dev, deploy and dry run ([build] in wrangler.toml).
// With --conformance: the fixture of the official protocol suites, into build-conformance/.
// With SWITCHBOARD_PROFILE=dev, as `npm run dev` sets it: hardly optimized, and so within seconds.

import {
  copyFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
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

/**
 * What tells the profiles apart: options of worker-build, and settings of cargo's release profile. The
 * one for work is a release build all the same: in debug builds wasm-bindgen checks types that the
 * runtime's setTimeout does not have, and panics.
 */
const profiles = {
  release: { options: [], cargo: {} },
  dev: {
    options: ["--no-opt"],
    cargo: {
      CARGO_PROFILE_RELEASE_CODEGEN_UNITS: "16",
      CARGO_PROFILE_RELEASE_INCREMENTAL: "true",
      CARGO_PROFILE_RELEASE_LTO: "off",
      CARGO_PROFILE_RELEASE_OPT_LEVEL: "1",
      // A folder of its own, so that the two do not throw each other's work away.
      CARGO_TARGET_DIR: inRoot("target", "dev"),
    },
  },
};

function chosenProfile() {
  const profile = process.env.SWITCHBOARD_PROFILE ?? "release";
  if (Object.hasOwn(profiles, profile)) return profile;
  const names = Object.keys(profiles).join(" or ");
  throw new Failure(`SWITCHBOARD_PROFILE is ${names}, not "${profile}"`);
}

/** Says which profile a build has: one for work must not pass for one to deploy. */
const noteOf = (folder) => inRoot(folder, "profile.txt");

/** Whether the folder holds a finished build, in this profile, of what is there now. */
function isCurrent(folder, profile) {
  if (!existsSync(noteOf(folder)) || readFileSync(noteOf(folder), "utf8") !== profile) return false;
  const outputs = ["index.js", "index_bg.wasm"].map((name) => inRoot(folder, name));
  if (!outputs.every((file) => existsSync(file))) return false;
  const built = Math.min(...outputs.map((file) => statSync(file).mtimeMs));
  return inputs.every((input) => newestOf(inRoot(input)) < built);
}

/** The console page. It takes a fraction of a second, so it is always made anew. */
async function buildConsole() {
  const { build } = await import("esbuild");
  const folder = inRoot("build-console");
  await build({
    entryPoints: {
      console: inRoot("console", "src", "main.ts"),
      "console-style": inRoot("console", "console.css"),
    },
    bundle: true,
    format: "esm",
    legalComments: "eof",
    logLevel: "warning",
    minify: true,
    outdir: folder,
    target: "es2023",
  });
  for (const name of ["index.html", "_headers"]) {
    copyFileSync(inRoot("console", name), path.join(folder, name));
  }
}

export async function build(variant = "product") {
  if (variant === "product") await buildConsole();
  await buildWorker(variant);
}

async function buildWorker(variant) {
  const { folder, cargo } = variants[variant];
  const profile = chosenProfile();
  if (isCurrent(folder, profile)) {
    console.log(`build: ${folder}/ is current`);
    return;
  }
  const places = Object.entries(tools).map(([name, parts]) => [name, locate(parts)]);
  const settings = profiles[profile];
  const env = { ...toolEnv(), ...Object.fromEntries(places), ...settings.cargo };
  const locked = process.env.CI ? ["--locked"] : [];
  const args = ["--release", ...settings.options, "--out-dir", folder, "--", ...cargo, ...locked];
  rmSync(noteOf(folder), { force: true });
  await run(locate(workerBuild), args, { env });
  writeFileSync(noteOf(folder), profile);
}

if (isMain(import.meta)) {
  await main(() => build(process.argv.includes("--conformance") ? "conformance" : "product"));
}
