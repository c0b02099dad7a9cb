// Prepares a fresh clone for building, running and testing; does nothing if it is already prepared.
// Needs git, rustup's cargo, and Node 20 or newer with npm.

import { randomBytes } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { secretName, secretsFile, secretIn } from "./lib/secret.mjs";
import {
  Failure,
  capture,
  findNode,
  inRoot,
  isMain,
  main,
  run,
  systemEnv,
} from "./lib/project.mjs";
import { ensureBindgen, hasBindgen } from "./lib/bindgen.mjs";
import { runQuietly, step } from "./lib/steps.mjs";

const wasmTarget = "wasm32-unknown-unknown";
const say = (text) => console.error(`setup: ${text}`);
const readText = (file) => (existsSync(file) ? readFileSync(file, "utf8") : "");

/** If anything has to be installed, runs `alongside` in the meantime. */
export async function setup(alongside) {
  await ensureToolchain();
  await ensurePackagesAndTool(alongside);
  ensureSecret();
  ensureCommonJsTypes();
}

/**
 * Copies the types for CommonJS apps, where they resolve to socket.io-client's own CommonJS types. `npm pack`
 * makes the same copy.
 */
function ensureCommonJsTypes() {
  copyFileSync(inRoot("client", "index.d.ts"), inRoot("client", "index.d.cts"));
}

async function ensureToolchain() {
  await requireCargo();
  const missing = missingParts(await sysroot());
  if (missing.length === 0) return;
  say("adding parts of the Rust toolchain (usually under a minute) ...");
  for (const part of missing) await rustup(...part.add);
  const still = missingParts(await sysroot()).map((part) => part.name);
  if (still.length > 0) throw new Failure(`the Rust toolchain still lacks ${still.join(", ")}`);
}

async function requireCargo() {
  const found = await succeeds("cargo", ["--version", "--quiet"]).catch(() => null);
  if (found !== null) return;
  throw new Failure(
    "cargo was not found. Install Rust with rustup (see the Rust project's website, or use your " +
      "system's `rustup` package), open a new terminal, and run this again.",
  );
}

/** Returns the folder of the toolchain that rust-toolchain.toml names; installs it if necessary. */
async function sysroot() {
  const known = await succeeds("rustc", ["--print", "sysroot"]);
  if (known) return known;
  const channel = /^channel = "(.+)"$/m.exec(readText(inRoot("rust-toolchain.toml")))?.[1];
  say(`installing Rust ${channel} (usually a minute) ...`);
  await rustup("toolchain", "install", channel, "--profile", "minimal");
  const installed = await succeeds("rustc", ["--print", "sysroot"]);
  if (installed) return installed;
  throw new Failure(`Rust ${channel}, the version in rust-toolchain.toml, does not run`);
}

function missingParts(folder) {
  const parts = [
    { name: wasmTarget, file: `lib/rustlib/${wasmTarget}/lib`, add: ["target", "add", wasmTarget] },
    { name: "rustfmt", file: "bin/cargo-fmt", add: ["component", "add", "rustfmt"] },
    { name: "clippy", file: "bin/cargo-clippy", add: ["component", "add", "clippy"] },
  ];
  return parts.filter((part) => !existsSync(path.join(folder, part.file)));
}

async function rustup(...args) {
  await run("rustup", args, { env: systemEnv() }).catch((error) => {
    if (error.code !== "ENOENT") throw error;
    throw new Failure(`rustup was not found; it is needed to run: rustup ${args.join(" ")}`);
  });
}

/** Returns the program's trimmed output, or "" if it failed. */
async function succeeds(command, args) {
  // Otherwise rustup would install a missing toolchain itself, silently and for a minute.
  const env = { ...systemEnv(), RUSTUP_AUTO_INSTALL: "0" };
  const { code, stdout } = await capture(command, args, { env });
  return code === 0 ? stdout.trim() : "";
}

async function ensurePackagesAndTool(alongside) {
  const hasPackages = packagesAreInstalled();
  // In parallel: npm is limited by the network, cargo by the processor and, at its end, by a single core.
  const ensure = [() => ensurePackages(hasPackages), ensureBindgen];
  const all = (works) => Promise.all(works.map((work) => work()));
  if (hasPackages && (await hasBindgen())) return all(ensure);
  const title = "Installing the npm packages and wasm-bindgen";
  if (!alongside) return step(title, () => all(ensure));
  return step(`${title}, and compiling the Worker`, () => all([...ensure, alongside]));
}

async function ensurePackages(areInstalled) {
  // Also where NODE_ENV is "production": all packages are tools.
  if (!areInstalled) await npm("ci", "--include=dev");
  if (findNode()) return;
  // An install script of the npm package `node` installs the binary; npm may have skipped it.
  await npm("rebuild", "node");
  if (findNode()) return;
  throw new Failure(
    `the tools need Node 22.18 or newer; this is ${process.versions.node}, and the npm package ` +
      "`node` did not install its own binary (node_modules/.bin/node). Allow install scripts " +
      "(npm config get ignore-scripts), delete node_modules and run this again.",
  );
}

function npm(...args) {
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  return runQuietly("npm", [...args, ...quiet], { env: systemEnv() });
}

function packagesAreInstalled() {
  const wanted = lockedPackages(inRoot("package-lock.json"));
  const installed = lockedPackages(inRoot("node_modules", ".package-lock.json"));
  const isMet = ([name, { version, optional }]) =>
    installed[name] ? installed[name].version === version : optional === true;
  return Object.entries(wanted).every(isMet);
}

function lockedPackages(file) {
  const { "": _project, ...packages } = JSON.parse(readText(file) || "{}").packages ?? {};
  return packages;
}

function ensureSecret() {
  const text = readText(secretsFile);
  if (secretIn(text)) return;
  const line = `${secretName}=${randomBytes(48).toString("base64url")}\n`;
  const separator = text && !text.endsWith("\n") ? "\n" : "";
  writeFileSync(secretsFile, text + separator + line, { mode: 0o600 });
  chmodSync(secretsFile, 0o600);
  say(`put a random ${secretName} into ${path.basename(secretsFile)}`);
}

if (isMain(import.meta)) {
  await main(async () => {
    await setup();
    say("everything is in place");
  });
}
