// The built Worker, with something of the tests around it.

import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { inRoot } from "../../scripts/lib/project.mjs";

/** Empty if there is none. */
export interface Around {
  /** The path of a script whose code stands before that of the Worker. */
  probe: string;
  /** The path of a module that exports what the Worker exports, which it imports from `./index.js`. */
  wrapper: string;
}

/** Returns the main module of the built Worker, or of a copy of it in `folder` with what is to be around it. */
export function mainModule(folder: string, { probe, wrapper }: Around) {
  if (!probe && !wrapper) return inRoot("dist", "index.js");
  const copy = path.join(folder, "worker");
  cpSync(inRoot("dist"), copy, { recursive: true });
  const index = path.join(copy, "index.js");
  if (probe) writeFileSync(index, readFileSync(probe, "utf8") + readFileSync(index, "utf8"));
  if (!wrapper) return index;
  const main = path.join(copy, path.basename(wrapper));
  cpSync(wrapper, main);
  return main;
}
