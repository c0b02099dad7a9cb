// The release build: Rust -> wasm -> build/index.js, which is `main` in wrangler.toml, and the console
// page -> build-console/, its [assets]. The Worker's steps: cargo, wasm-bindgen (scripts/bindgen), wasm-opt,
// and esbuild, which bundles src/entry.js with what wasm-bindgen has written.
// wrangler calls this for every dev, deploy and dry run ([build] in wrangler.toml).
// With --conformance: the fixture of the official protocol suites, into build-conformance/.
// With SWITCHBOARD_PROFILE=dev, as `npm run dev` sets it: hardly optimized, and so within seconds.

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

import { bindgen, Failure, inRoot, isMain, main, run, toolEnv } from "./lib/project.mjs";

const wasmOpt = ["node_modules", "binaryen", "bin", "wasm-opt"];

// What rustc uses by default, and what wasm-bindgen adds to catch exceptions. Newer features may be unknown
// to the runtime.
const wasmFeatures = [
  "bulk-memory",
  "exception-handling",
  "multivalue",
  "mutable-globals",
  "nontrapping-float-to-int",
  "reference-types",
  "sign-ext",
].map((name) => `--enable-${name}`);

function locate(parts) {
  const file = inRoot(...parts);
  if (existsSync(file)) return file;
  throw new Failure(`${path.join(...parts)} is missing: run \`npm run setup\` first`);
}

/** What differs between the builds. */
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
 * What tells the profiles apart. The one for work is a release build all the same: in debug builds
 * wasm-bindgen checks types that the runtime's setTimeout does not have, and panics.
 */
const profiles = {
  release: { isOptimized: true, target: ["target"], env: {} },
  dev: {
    isOptimized: false,
    // A folder of its own, so that the two do not throw each other's work away.
    target: ["target", "dev"],
    env: {
      CARGO_PROFILE_RELEASE_CODEGEN_UNITS: "16",
      CARGO_PROFILE_RELEASE_INCREMENTAL: "true",
      CARGO_PROFILE_RELEASE_LTO: "off",
      CARGO_PROFILE_RELEASE_OPT_LEVEL: "1",
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
  const { isOptimized, target, env } = profiles[profile];
  const wasm = await compile(cargo, inRoot(...target), env);
  rmSync(noteOf(folder), { force: true });
  const staging = mkdtempSync(inRoot("target", "staging-"));
  try {
    await run(locate(bindgen), [wasm, staging]);
    const bound = path.join(staging, "index_bg.wasm");
    if (isOptimized) await run(locate(wasmOpt), [bound, "-O", ...wasmFeatures, "-o", bound]);
    await bundle(staging, folder);
    renameSync(bound, inRoot(folder, "index_bg.wasm"));
  } finally {
    rmSync(staging, { recursive: true });
  }
  writeFileSync(noteOf(folder), profile);
}

/** The path of the wasm. */
async function compile(options, target, env) {
  const triple = "wasm32-unknown-unknown";
  const locked = process.env.CI ? ["--locked"] : [];
  const args = ["build", "--lib", "--release", `--target=${triple}`, `--target-dir=${target}`];
  await run("cargo", [...args, ...options, ...locked], { env: { ...toolEnv(), ...env } });
  return path.join(target, triple, "release", "switchboard.wasm");
}

/** src/entry.js and what it imports, as one module. The wasm stays a file of its own beside it. */
async function bundle(staging, folder) {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    absWorkingDir: staging,
    alias: { "switchboard-wasm": path.join(staging, "index.js") },
    bundle: true,
    entryPoints: [inRoot("src", "entry.js")],
    external: ["./index_bg.wasm", "cloudflare:*"],
    format: "esm",
    logLevel: "warning",
    minify: true,
    outfile: inRoot(folder, "index.js"),
    write: false,
  });
  mkdirSync(inRoot(folder), { recursive: true });
  // wrangler takes a plain import of a wasm file for one of its module, and knows no `import source` yet.
  const text = outputFiles[0].text.replace("import source ", "import ");
  writeFileSync(inRoot(folder, "index.js"), text);
}

if (isMain(import.meta)) {
  await main(() => build(process.argv.includes("--conformance") ? "conformance" : "product"));
}
