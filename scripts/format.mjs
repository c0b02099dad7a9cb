// `npm run format`: brings every file into the form that `npm test` checks.

import { isMain, main, prettier, run } from "./lib/project.mjs";
import { setup } from "./setup.mjs";

if (isMain(import.meta)) {
  await main(async () => {
    await setup();
    await run(...prettier("--write"));
    await run("cargo", ["fmt"]);
  });
}
