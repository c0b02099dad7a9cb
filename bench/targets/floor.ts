// The floor (bench/floor), whose objects call each other by fetch or by RPC.

import { inRoot } from "../../scripts/lib/project.mjs";
import type { TargetKind } from "./target.ts";
import { startWorkerd } from "./workerd.ts";

const modules = ["worker", "user", "gateway", "calls", "ids", "statements"];
const files = modules.map((name) => inRoot("bench", "floor", `${name}.js`));

const floor = (calls: string): TargetKind => ({
  name: `floor-${calls}`,
  start: (vars) => startWorkerd(files, { ...vars, CALLS: calls }),
});

export const floorByFetch = floor("fetch");
export const floorByRpc = floor("rpc");
