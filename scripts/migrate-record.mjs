// `npm run migrate-record`: moves the record to the tables of today (docs/deploy.md). It may be stopped and started
// again at any time.

import { parseArgs } from "node:util";

import { Failure, isMain, main, parseOrFail } from "./lib/project.mjs";
import { moveRecord } from "./lib/record.mjs";
import { setup } from "./setup.mjs";

const usage = `usage: npm run migrate-record -- --local|--remote [--env NAME] [--database BINDING] [--rows N]
with --rows N to move N messages at once in place of 10000`;

const options = {
  local: { type: "boolean", default: false },
  remote: { type: "boolean", default: false },
  env: { type: "string" },
  config: { type: "string" },
  "persist-to": { type: "string" },
  database: { type: "string", default: "DB" },
  rows: { type: "string" },
};

function readOptions() {
  const { values } = parseOrFail(() => parseArgs({ options }), usage);
  const { local, remote, rows } = values;
  const isCount = rows === undefined || /^[1-9]\d{0,4}$/.test(rows);
  if (local === remote || !isCount) throw new Failure(usage);
  return values;
}

/** Returns wrangler's options. */
function place({ remote, ...values }) {
  const given = ["env", "config", "persist-to"].filter((name) => values[name] !== undefined);
  const options = given.map((name) => `--${name}=${values[name]}`);
  return [remote ? "--remote" : "--local", ...options];
}

if (isMain(import.meta)) {
  await main(async () => {
    const values = readOptions();
    await setup();
    const { database, rows } = values;
    const report = (part) => console.log(`moved ${Math.floor(part * 100)} %`);
    await moveRecord(place(values), { database, rows, report });
    console.log("the record is in the tables of today");
  });
}
