// The release build. Worker: Rust -> wasm -> build/index.js (`main` in wrangler.toml). Console page:
// console/ -> build-console/ ([assets]). The Worker's steps are cargo, wasm-bindgen (scripts/bindgen),
// wasm-opt, and esbuild, which bundles src/entry.js with the output of wasm-bindgen.
// wrangler runs this script for every dev, deploy and dry run ([build] in wrangler.toml).
// --conformance builds the fixture for the official protocol suites into build-conformance/.
// SWITCHBOARD_PROFILE=dev, set by `npm run dev` and on the first `npm start`, builds in half of the time by barely
// optimizing.

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

import {
  Failure,
  cargoLocked,
  inRoot,
  isMain,
  main,
  run,
  systemEnv,
  toolEnv,
} from "./lib/project.mjs";
import { runQuietly } from "./lib/steps.mjs";
import { bindgen } from "./lib/bindgen.mjs";

const wasmOpt = ["node_modules", "binaryen", "bin", "wasm-opt"];

const optimizations = [
  "-O",
  // Nothing lives in the first kilobyte, which is the end of the stack: the linker puts the stack first.
  "--low-memory-unused",
  // LLVM has inlined what is worth it. Further functions with one caller only lengthen those that contain them.
  "--one-caller-inline-max-function-size=0",
  // Functions whose names are alike are alike themselves, and compress best next to each other.
  "--reorder-functions-by-name",
];

// rustc's defaults, plus what wasm-bindgen needs to catch exceptions. The runtime may not support newer
// features.
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

/** Output folder and cargo options of each build. */
const variants = {
  product: { folder: "build", cargo: [] },
  conformance: { folder: "build-conformance", cargo: ["--features", "conformance"] },
};

// If none of these has changed, the build is skipped: optimizing the wasm alone takes ten seconds.
const inputs = [
  "src",
  "Cargo.toml",
  "Cargo.lock",
  "rust-toolchain.toml",
  "scripts/build.mjs",
  "scripts/bindgen",
  "scripts/lib/bindgen.mjs",
];

function newestOf(place) {
  const { mtimeMs } = statSync(place);
  if (!statSync(place).isDirectory()) return mtimeMs;
  // A folder's own mtime changes when a file in it is deleted.
  const within = readdirSync(place).map((name) => newestOf(path.join(place, name)));
  return Math.max(mtimeMs, ...within);
}

/**
 * The build profiles. `dev` is a release build, too: debug builds of wasm-bindgen check types and panic,
 * because the runtime's setTimeout does not have the types that they expect.
 */
const profiles = {
  release: { isOptimized: true, target: ["target"], env: {} },
  dev: {
    isOptimized: false,
    // A separate folder, so that the two profiles do not invalidate each other's artifacts.
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
  throw new Failure(`SWITCHBOARD_PROFILE must be ${names}, not "${profile}"`);
}

/** The file that records a build's profile, so that a dev build is never deployed as a release. */
const noteOf = (folder) => inRoot(folder, "profile.txt");

/** Whether the folder holds a complete build in this profile that is newer than all inputs. */
function isCurrent(folder, profile) {
  if (!existsSync(noteOf(folder)) || readFileSync(noteOf(folder), "utf8") !== profile) return false;
  const outputs = ["index.js", "index_bg.wasm"].map((name) => inRoot(folder, name));
  if (!outputs.every((file) => existsSync(file))) return false;
  const built = Math.min(...outputs.map((file) => statSync(file).mtimeMs));
  return inputs.every((input) => newestOf(inRoot(input)) < built);
}

/** Returns the profile of the product's build if that is newer than all inputs, or undefined. */
export function currentProfile() {
  const { folder } = variants.product;
  return Object.keys(profiles).find((profile) => isCurrent(folder, profile));
}

/** Builds the console page. This takes a fraction of a second, so it is never skipped. */
async function buildConsole() {
  const { build } = await import("esbuild");
  const folder = inRoot("build-console");
  await build({
    entryPoints: {
      console: inRoot("console", "src", "main.ts"),
      "service-worker": inRoot("console", "src", "service-worker.ts"),
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
    console.log(`build: ${folder}/ is up to date`);
    return;
  }
  const { isOptimized, target, env } = profiles[profile];
  const compiled = await compile(cargo, inRoot(...target), env);
  const staging = mkdtempSync(inRoot("target", "staging-"));
  try {
    // At once: a build of the other variant writes the same file.
    const wasm = path.join(staging, "switchboard.wasm");
    copyFileSync(compiled, wasm);
    rmSync(noteOf(folder), { force: true });
    await run(...(await bindgen(wasm, staging)));
    const bound = path.join(staging, "index_bg.wasm");
    if (isOptimized)
      await run(locate(wasmOpt), [bound, ...optimizations, ...wasmFeatures, "-o", bound]);
    await bundle(staging, folder);
    copyFileSync(bound, inRoot(folder, "index_bg.wasm"));
  } finally {
    rmSync(staging, { recursive: true });
  }
  writeFileSync(noteOf(folder), profile);
}

const triple = "wasm32-unknown-unknown";

/** Returns the cargo command that compiles the Worker. */
function cargoBuild(options, target) {
  // `cargo build` would also make the rlib for the tests, and then leaves out link-time optimization.
  const args = ["rustc", "--lib", "--crate-type=cdylib", "--release"];
  const places = [`--target=${triple}`, `--target-dir=${target}`];
  return ["cargo", [...args, ...places, ...options, ...cargoLocked]];
}

/** Compiles the Worker and returns the path of the wasm file. */
async function compile(options, target, env) {
  await run(...cargoBuild(options, target), { env: { ...toolEnv(), ...env } });
  return path.join(target, triple, "release", "switchboard.wasm");
}

/** Compiles the product, which needs neither the npm packages nor wasm-bindgen: they can be installed meanwhile. */
export async function compileAhead() {
  const { target, env } = profiles[chosenProfile()];
  const command = cargoBuild(variants.product.cargo, inRoot(...target));
  await runQuietly(...command, { env: { ...systemEnv(), ...env } });
}

/** Bundles src/entry.js and its imports into one module. The wasm stays a separate file next to it. */
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
  // wrangler does not support `import source` yet; for a .wasm file it gives a plain import that meaning.
  const text = outputFiles[0].text.replace("import source ", "import ");
  writeFileSync(inRoot(folder, "index.js"), text);
}

if (isMain(import.meta)) {
  await main(() => build(process.argv.includes("--conformance") ? "conformance" : "product"));
}
