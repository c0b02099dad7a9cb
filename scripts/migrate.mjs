// `npm run migrate`: applies the migrations to every database of the record. All arguments are passed on to
// `wrangler d1 migrations apply`, such as --remote or --local.

import { isMain, main, run } from "./lib/project.mjs";
import { inEachShard, migration } from "./lib/shards.mjs";
import { setup } from "./setup.mjs";

if (isMain(import.meta)) {
  await main(async () => {
    await setup();
    await inEachShard((shard) => {
      const [command, args] = migration(shard, process.argv.slice(2));
      // wrangler asks before it changes a deployed database.
      return run(command, args, { stdio: "inherit" });
    });
  });
}
