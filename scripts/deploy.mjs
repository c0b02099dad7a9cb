// `npm run deploy`: runs wrangler deploy with all arguments given (such as --dry-run).

import { isMain, main, run, wrangler } from "./lib/project.mjs";
import { setup } from "./setup.mjs";

if (isMain(import.meta)) {
  await main(async () => {
    await setup();
    const [command, args] = wrangler("deploy", ...process.argv.slice(2));
    await run(command, args, { stdio: "inherit" });
  });
}
