// For the suites beside `npm test`, which run what it builds.

import { inRoot, nodeScript, run } from "./project.mjs";

const noBuild = "--no-build";

/**
 * Builds what the tests run. With --no-build, they run what has been built last: a build replaces it, so of suites
 * that run at the same time, none may build. Returns the other arguments.
 */
export async function buildForTests(args) {
  if (!args.includes(noBuild))
    await run(...nodeScript(inRoot("scripts", "test.mjs"), "--only", "build"));
  return args.filter((arg) => arg !== noBuild);
}
