// `npm run test:browser`: the console page in Chromium. With PICTURES=1 it makes those of docs/images.

import { existsSync } from "node:fs";

import {
  Failure,
  inRoot,
  isMain,
  main,
  nodeScript,
  nodeTests,
  run,
  toolEnv,
} from "./lib/project.mjs";
import { setup } from "./setup.mjs";

const usualPlaces = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

const testTimeoutMs = 120_000;
const files = ["tests/browser/console.test.ts", "tests/browser/tour.test.ts"];

function findChromium() {
  const found = [process.env.CHROMIUM, ...usualPlaces].find((place) => place && existsSync(place));
  if (found) return found;
  throw new Failure(
    "Chromium was not found: install it (on Debian, `apt-get install chromium`), or let CHROMIUM name it",
  );
}

if (isMain(import.meta)) {
  await main(async () => {
    const env = { ...toolEnv(), CHROMIUM: findChromium() };
    await setup();
    await run(...nodeScript(inRoot("scripts", "test.mjs"), "--only", "build"));
    const options = ["--test-force-exit", `--test-timeout=${testTimeoutMs}`];
    const [command, args] = nodeTests(...options, "--test-concurrency=1", ...files);
    await run(command, args, { env });
  });
}
