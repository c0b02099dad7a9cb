// `npm run bench`: sets up, builds the deployed version, and measures it (bench/run.ts, which has the options).
// `npm run bench:smoke`: runs every scenario with few users, and checks only that messages arrive exactly once.

import { isMain, main, nodeScript, start } from "./lib/project.mjs";
import { setup } from "./setup.mjs";

if (isMain(import.meta)) {
  await main(async () => {
    await setup();
    const [command, args] = nodeScript("bench/run.ts", ...process.argv.slice(2));
    process.exitCode = (await start(command, args).ended).code;
  });
}
