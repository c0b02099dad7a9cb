// `npm run format`: formats every file as `npm test` expects.

import { isMain, main, prettier, run } from "./lib/project.mjs";
import { setup } from "./setup.mjs";

if (isMain(import.meta)) {
  await main(async () => {
    await setup();
    await run(...prettier("--write"));
    await run("cargo", ["fmt"]);
  });
}
