// Reads the secret that signs development tokens: JWT_SECRET, from .dev.vars or the environment.

import { existsSync, readFileSync } from "node:fs";

import { Failure, inRoot } from "./project.mjs";

export const secretName = "JWT_SECRET";
export const secretsFile = inRoot(".dev.vars");

/** Returns a variable's value in the text of a .dev.vars file, or "". */
export function variableIn(text, name) {
  const pattern = new RegExp(`^[ \\t]*(?:export[ \\t]+)?${name}[ \\t]*=(.*)$`, "gm");
  // The last assignment wins, as in every dotenv parser.
  const value = [...text.matchAll(pattern)].at(-1)?.[1].trim() ?? "";
  const quoted = /^(["'`])(.*)\1/.exec(value);
  return quoted ? quoted[2] : value.replace(/\s*#.*$/, "");
}

export const secretIn = (text) => variableIn(text, secretName);

/** Returns the local server's secret: wrangler dev reads .dev.vars and ignores the environment. */
export function localSecret() {
  const secret = existsSync(secretsFile) ? secretIn(readFileSync(secretsFile, "utf8")) : "";
  if (secret) return secret;
  throw new Failure(`${secretName} is missing from .dev.vars: run \`npm run setup\` to create one`);
}

/** Returns the secret from the environment, which may be a deployed server's, or else the local one. */
export const readSecret = () => process.env[secretName] || localSecret();
