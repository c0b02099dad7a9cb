// `npm run test:python`: tests an old and a current version of python-socketio against the server with its
// default heartbeat, and webhooks with the official library. Needs Python 3.11 or newer.
// With --no-build it tests what has been built last.
//   npm run test:python -- tests/python/examples.test.ts

import { readdirSync } from "node:fs";

import { inRoot, isMain, main, nodeTests, run } from "./lib/project.mjs";
import { ensurePython } from "./lib/python.mjs";
import { buildForTests } from "./lib/tested.mjs";
import { setup } from "./setup.mjs";

const environments = ["python-socketio-5.0", "python-socketio-5.18", "standardwebhooks"];
const testTimeoutMs = 240_000;

function allTests() {
  const names = readdirSync(inRoot("tests", "python")).filter((name) => name.endsWith(".test.ts"));
  return names.sort().map((name) => `tests/python/${name}`);
}

if (isMain(import.meta)) {
  await main(async () => {
    await setup();
    for (const name of environments) {
      const file = `requirements-${name.replace("python-socketio-", "")}.txt`;
      await ensurePython(name, inRoot("tests", "python", file));
    }
    const usual = ["--test-concurrency=1", "--test-force-exit", `--test-timeout=${testTimeoutMs}`];
    const files = await buildForTests(process.argv.slice(2));
    await run(...nodeTests(...usual, ...(files.length > 0 ? files : allTests())));
  });
}
