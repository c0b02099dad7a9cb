// `npm run test:api`: tests the HTTP API against openapi.yaml with schemathesis, which generates valid and
// invalid requests and checks the responses. Needs Python 3.11 or newer.
// With --no-build it tests what has been built last.

import { inRoot, isMain, main, nodeScript, run } from "./lib/project.mjs";
import { ensurePython } from "./lib/python.mjs";
import { buildForTests } from "./lib/tested.mjs";
import { setup } from "./setup.mjs";

if (isMain(import.meta)) {
  await main(async () => {
    await setup();
    await ensurePython("schemathesis", inRoot("tests", "api", "requirements.txt"));
    await buildForTests(process.argv.slice(2));
    await run(...nodeScript(inRoot("tests", "api", "run.ts")));
  });
}
