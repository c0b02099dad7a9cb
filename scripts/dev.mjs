// `npm run dev`: `npm start` with a barely optimized build. Whenever something in src/ changes, wrangler
// rebuilds and restarts the Worker.

import { isMain, main } from "./lib/project.mjs";
import { startServing } from "./start.mjs";

if (isMain(import.meta)) {
  await main(() => {
    process.env.SWITCHBOARD_PROFILE = "dev";
    return startServing(process.argv.slice(2));
  });
}
