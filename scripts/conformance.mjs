// `npm run conformance -- --port 3000`: serves the fixture that the official protocol suites expect.
// All arguments are passed on to `wrangler dev`.

import { isMain, main, start, wrangler } from "./lib/project.mjs";
import { setup } from "./setup.mjs";

if (isMain(import.meta)) {
  await main(async () => {
    await setup();
    const config = "--config=tests/conformance/wrangler.toml";
    const others = process.argv.slice(2);
    const [command, args] = wrangler(
      "dev",
      config,
      "--show-interactive-dev-session=false",
      ...others,
    );
    process.exitCode = (await start(command, args).ended).code;
  });
}
