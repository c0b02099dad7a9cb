// `npm run test:api`: the HTTP API against its description, openapi.yaml, by schemathesis, which makes
// up requests, good and bad ones, and checks the answers. Needs Python 3.10 or newer; what it runs is
// installed into .tools/python.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

import {
  Failure,
  capture,
  inRoot,
  isMain,
  main,
  nodeScript,
  run,
  systemEnv,
} from "./lib/project.mjs";
import { setup } from "./setup.mjs";

const requirements = inRoot("tests", "api", "requirements.txt");
const venv = inRoot(".tools", "python");
const installed = inRoot(".tools", "python", "requirements.sha256");

const digest = () => createHash("sha256").update(readFileSync(requirements)).digest("hex");

async function ensureSchemathesis() {
  if (existsSync(installed) && readFileSync(installed, "utf8") === digest()) return;
  console.log("installing schemathesis into .tools/python (once; usually half a minute) ...");
  const env = { ...systemEnv(), PIP_DISABLE_PIP_VERSION_CHECK: "1" };
  const found = await capture("python3", ["--version"], { env }).catch(() => null);
  if (found?.code !== 0) throw new Failure("python3 (3.10 or newer) was not found");
  await run("python3", ["-m", "venv", "--clear", venv], { env });
  const pip = inRoot(".tools", "python", "bin", "pip");
  await run(pip, ["install", "--quiet", `--requirement=${requirements}`], { env });
  writeFileSync(installed, digest());
}

if (isMain(import.meta)) {
  await main(async () => {
    await setup();
    await ensureSchemathesis();
    await run(...nodeScript(inRoot("scripts", "test.mjs"), "--only", "build"));
    await run(...nodeScript(inRoot("tests", "api", "run.ts")));
  });
}
