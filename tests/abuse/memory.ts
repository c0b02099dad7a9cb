// The memory of a server under `wrangler dev`.

import { readFileSync } from "node:fs";

import { inRoot } from "../../scripts/lib/project.mjs";
import { childrenOf } from "../../bench/report/process.ts";
import type { DevServer } from "../support/dev.ts";

/** What a server occupies, in bytes. */
export interface Memory {
  /** The linear memories of the wasm, which never shrink. */
  wasm: number;
  /** The resident memory of all workerd processes, with what the engine has not collected yet. */
  resident: number;
}

/** Returns the ids of the process's descendants that run workerd. */
function runtimesOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => {
    const name = readFileSync(`/proc/${child}/comm`, "utf8").trim();
    return name === "workerd" ? [child] : runtimesOf(child);
  });
}

function residentBytes(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const [, kilobytes] = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status) ?? [];
  return Number(kilobytes) * 1_024;
}

const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);

/** Returns the resident memory of all workerd processes, in bytes. */
export const resident = (server: DevServer) =>
  sum(runtimesOf(server.pid()).map((pid) => residentBytes(pid, "VmRSS")));

/** Returns the sum of the processes' peaks since they started, in bytes. */
export const peak = (server: DevServer) =>
  sum(runtimesOf(server.pid()).map((pid) => residentBytes(pid, "VmHWM")));

/** Returns the size of all linear memories in the Worker's isolate, if the server has the `wasmProbe`. */
export async function wasmBytes(server: DevServer): Promise<number> {
  const { headers } = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`);
  return Number(headers.get("Wasm-Bytes") ?? NaN);
}

/** Measures a server that nobody uses. */
export async function measure(server: DevServer): Promise<Memory> {
  const wasm = await wasmBytes(server);
  return { wasm, resident: resident(server) };
}

/** Reports the size of the wasm's memory. */
export const wasmProbe = inRoot("tests", "abuse", "wasm-probe.js");

/** Changes wrangler.toml so that the plain JavaScript Worker (plain.js) is served. */
export const servePlain = (toml: string) =>
  toml.replace(/^main = .*/m, `main = ${JSON.stringify(inRoot("tests", "abuse", "plain.js"))}`);
