// The size of the wasm, and how long the engine takes to compile it.

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

import { median } from "./results.ts";

const COMPILATIONS = 5;

/** Describes the wasm in one sentence. */
export async function describeWasm(file: string) {
  const bytes = readFileSync(file);
  const kilobytes = (size: number) => `${Math.round(size / 1_000).toLocaleString("en")} KB`;
  const times: number[] = [];
  for (let count = 0; count < COMPILATIONS; count++) {
    const begun = performance.now();
    await WebAssembly.compile(bytes);
    times.push(performance.now() - begun);
  }
  return (
    `The wasm has ${kilobytes(bytes.length)}, ${kilobytes(gzipSync(bytes).length)} gzipped, ` +
    `and Node.js compiles it in ${median(times).toFixed(0)} ms (median of ${COMPILATIONS}).`
  );
}
