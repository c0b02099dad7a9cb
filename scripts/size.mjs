// Checks the size of the Worker's wasm in build/. Every isolate compiles it before it serves its first request,
// and Cloudflare limits it after compression, so it must not grow unnoticed.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

import { Failure, inRoot, isMain, main } from "./lib/project.mjs";

/**
 * The limit in bytes, compressed by gzip -9: a little more than the wasm has today. To find out what has grown, build
 * with `-C symbol-mangling-version=v0` and list the functions by size; the usual causes are a new dependency, a
 * type that serde reads from more than one format, `json!`, and `#[serde(flatten)]`, `tag` or `untagged`.
 */
const limit = 540 * 1024;

function check() {
  const profile = readFileSync(inRoot("build", "profile.txt"), "utf8");
  if (profile !== "release") return console.log(`wasm: not checked in a ${profile} build`);
  // Not by node:zlib, whose level 9 compresses a hundredth less.
  const wasm = inRoot("build", "index_bg.wasm");
  const size = execFileSync("gzip", ["-9", "-c", wasm], { maxBuffer: 2 ** 24 }).length;
  console.log(`wasm: ${size} bytes compressed, of at most ${limit}`);
  if (size > limit) throw new Failure(`build/index_bg.wasm has grown beyond ${limit} bytes`);
}

if (isMain(import.meta)) await main(check);
