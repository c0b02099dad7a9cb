// `npm run test:browser`: tests the console page in Chromium. PICTURES=1 also takes the screenshots in
// docs/images. With --no-build it tests what has been built last.
//   npm run test:browser -- tests/browser/bulk.test.ts --test-name-pattern=bar

import { existsSync, readdirSync } from "node:fs";

import { Failure, inRoot, isMain, main, nodeTests, run, toolEnv } from "./lib/project.mjs";
import { buildForTests } from "./lib/tested.mjs";
import { setup } from "./setup.mjs";

const usualPlaces = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

const testTimeoutMs = 120_000;

function allTests() {
  const names = readdirSync(inRoot("tests", "browser")).filter((name) => name.endsWith(".test.ts"));
  return names.sort().map((name) => `tests/browser/${name}`);
}

/** Separates options for Node's test runner from test files; no files means all. */
function parseArguments(args) {
  const options = args.filter((arg) => arg.startsWith("--"));
  const files = args.filter((arg) => !arg.startsWith("--"));
  return { options, files: files.length > 0 ? files : allTests() };
}

function findChromium() {
  const found = [process.env.CHROMIUM, ...usualPlaces].find((place) => place && existsSync(place));
  if (found) return found;
  throw new Failure(
    "Chromium was not found: install it (on Debian: apt-get install chromium), or set CHROMIUM to its path",
  );
}

if (isMain(import.meta)) {
  await main(async () => {
    const env = { ...toolEnv(), CHROMIUM: findChromium() };
    await setup();
    const { options, files } = parseArguments(await buildForTests(process.argv.slice(2)));
    const usual = ["--test-concurrency=1", "--test-force-exit", `--test-timeout=${testTimeoutMs}`];
    const [command, args] = nodeTests(...usual, ...options, ...files);
    await run(command, args, { env });
  });
}
