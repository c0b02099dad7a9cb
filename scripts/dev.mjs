// `npm run dev`: `npm start` with a build that is hardly optimized; wrangler runs it again, and starts the
// Worker anew, whenever something in src/ changes.

import { isMain, main } from "./lib/project.mjs";
import { startServing } from "./start.mjs";

if (isMain(import.meta)) {
  await main(() => {
    process.env.SWITCHBOARD_PROFILE = "dev";
    return startServing(process.argv.slice(2));
  });
}
