// `npm run test:abuse`: sets up, builds, and lets hostile clients loose on the product (tests/abuse/run.ts, which has
// the options). `npm run test:abuse:smoke` is short. `npm run test:abuse:frames` compares what large frames do with
// what they do to a plain Worker (tests/abuse/compare.ts).

import { inRoot, isMain, main, nodeScript, run } from "./lib/project.mjs";
import { setup } from "./setup.mjs";

function program(args) {
  if (args[0] === "--frames") return nodeScript(inRoot("tests", "abuse", "compare.ts"));
  return nodeScript(inRoot("tests", "abuse", "run.ts"), ...args);
}

if (isMain(import.meta)) {
  await main(async () => {
    await setup();
    await run(...nodeScript(inRoot("scripts", "test.mjs"), "--only", "build"));
    await run(...program(process.argv.slice(2)));
  });
}
