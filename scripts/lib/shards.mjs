// The databases of the record: RECORD_SHARDS in wrangler.toml names their bindings (src/core/record/shards.rs).

import { readFileSync } from "node:fs";

import { varsOf } from "./limits.mjs";
import { inRoot, wrangler } from "./project.mjs";
import { variableIn } from "./secret.mjs";
import { runQuietly } from "./steps.mjs";

/** Returns the names of the bindings in the text of a wrangler.toml, in their order. */
export function shardsIn(toml) {
  const names = variableIn(varsOf(toml), "RECORD_SHARDS") || "DB";
  return names.split(",").map((name) => name.trim());
}

export const recordShards = () => shardsIn(readFileSync(inRoot("wrangler.toml"), "utf8"));

/** Calls `act` for one shard after the other: local ones share a folder. Returns the results. */
export async function inEachShard(act) {
  const results = [];
  for (const shard of recordShards()) results.push(await act(shard));
  return results;
}

/** Returns the command that applies the migrations to a shard. `where` holds wrangler's d1 options. */
export const migration = (shard, where) => wrangler("d1", "migrations", "apply", shard, ...where);

/** `where` holds wrangler's d1 options: --local, --remote, --persist-to=DIR. */
export async function applyMigrations(where) {
  const problem = "applying the D1 migrations failed";
  await inEachShard((shard) => runQuietly(...migration(shard, where), { problem }));
}
