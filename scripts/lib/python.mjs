// Installs Python packages for the tests. Each set of pinned requirements has its own virtual environment in
// .tools, so their versions cannot conflict.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

import { Failure, capture, inRoot, run, systemEnv } from "./project.mjs";

/** Returns the path of a program in the environment `name`. */
export const pythonProgram = (name, program = "python") => inRoot(".tools", name, "bin", program);

/** Creates the environment .tools/NAME, unless these requirements are already installed there. */
export async function ensurePython(name, requirements) {
  const installed = inRoot(".tools", name, "requirements.sha256");
  const wanted = createHash("sha256").update(readFileSync(requirements)).digest("hex");
  if (existsSync(installed) && readFileSync(installed, "utf8") === wanted) return;
  console.log(`installing Python packages into .tools/${name} (once; usually half a minute) ...`);
  const env = { ...systemEnv(), PIP_DISABLE_PIP_VERSION_CHECK: "1" };
  const found = await capture("python3", ["--version"], { env }).catch(() => null);
  if (found?.code !== 0) throw new Failure("python3 was not found (3.11 or newer)");
  await run("python3", ["-m", "venv", "--clear", inRoot(".tools", name)], { env });
  const install = ["-m", "pip", "install", "--quiet", `--requirement=${requirements}`];
  await run(pythonProgram(name), install, { env });
  writeFileSync(installed, wanted);
}
