// How many databases the record of a test's server has: one, or the four that wrangler.toml shows. The whole suite runs
// with one, and scripts/test.mjs runs the tests of messages again with SWITCHBOARD_SHARDS=4.

export type ShardCount = 1 | 4;

export const usualShards: ShardCount = process.env.SWITCHBOARD_SHARDS === "4" ? 4 : 1;

/** Returns the project's wrangler.toml with so many databases: the others are commented out there. */
export function withShards(toml: string, count: ShardCount) {
  if (count === 1) return toml;
  const database = /^# (\[\[d1_databases\]\])\n((?:# \w+ = .*\n)+)/gm;
  return toml
    .replace(database, (_block, head, settings) => `${head}\n${settings.replaceAll("# ", "")}`)
    .replace(/^# (RECORD_SHARDS = )/m, "$1");
}
