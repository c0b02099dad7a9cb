// Moves the record to the tables of migrations/0004_compact_record.sql, in batches that are far from D1's limits.

import { readFileSync } from "node:fs";

import { inRoot } from "./project.mjs";
import { execute } from "./users.mjs";

const defaultRows = "10000";
const problem =
  "moving the record failed, and this batch was undone (docs/deploy.md, Migrations, has the reasons)";

/**
 * Moves batches of `rows` messages until none is left. After each batch that leaves some, `report` gets the part that
 * has been moved, from 0 to 1.
 */
export async function moveRecord(where, { database, rows = defaultRows, report }) {
  const file = inRoot("scripts", "lib", "move-record.sql");
  const sql = readFileSync(file, "utf8").replaceAll(defaultRows, rows);
  for (;;) {
    const results = await execute(sql, where, { database, problem });
    const [{ next }] = results.at(-1).results;
    if (next === null) return;
    report(parseInt(next.slice(0, 4), 16) / 0x10000);
  }
}
