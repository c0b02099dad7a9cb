// `npm run deploy`: runs wrangler deploy with all arguments given (such as --dry-run).

import { parseArgs } from "node:util";

import { Failure, inRoot, isMain, main, run, wrangler } from "./lib/project.mjs";
import { setup } from "./setup.mjs";

/** Returns the value of a variable after a deploy with these arguments, as wrangler would find it. */
async function deployedVar(name, args) {
  const given = args.map((arg) => new RegExp(`^(?:--var=)?${name}:(.*)$`).exec(arg)).find(Boolean);
  if (given) return given[1];
  const options = {
    config: { type: "string", short: "c", default: inRoot("wrangler.toml") },
    env: { type: "string", short: "e", default: process.env.CLOUDFLARE_ENV },
  };
  const { values } = parseArgs({ args, options, strict: false, allowPositionals: true });
  // Only now: before the setup, wrangler may not be installed.
  const { unstable_readConfig: readConfig } = await import("wrangler");
  return readConfig({ config: values.config, env: values.env }, { hideWarnings: true }).vars[name];
}

/** Refuses to deploy a Worker to which the pages of any origin may connect. */
export async function checkOrigins(args) {
  const origins = String((await deployedVar("ALLOWED_ORIGINS", args)) ?? "").trim();
  if (origins !== "" && origins !== "*") return;
  throw new Failure(
    'ALLOWED_ORIGINS is "*", which is for local work: the pages of any origin could connect. List the ' +
      'origins of your pages in [vars] in wrangler.toml, such as "https://www.example.com". If you have ' +
      "none, put the server's own address there.",
  );
}

if (isMain(import.meta)) {
  await main(async () => {
    const args = process.argv.slice(2);
    await setup();
    if (!args.includes("--dry-run")) await checkOrigins(args);
    const [command, options] = wrangler("deploy", ...args);
    await run(command, options, { stdio: "inherit" });
  });
}
