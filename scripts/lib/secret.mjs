// The secret that signs development tokens: JWT_SECRET, in .dev.vars or the environment.

import { existsSync, readFileSync } from "node:fs";

import { Failure, inRoot } from "./project.mjs";

export const secretName = "JWT_SECRET";
export const secretsFile = inRoot(".dev.vars");

/** The value of a variable in the text of a .dev.vars file, or "". */
export function variableIn(text, name) {
  const pattern = new RegExp(`^[ \\t]*(?:export[ \\t]+)?${name}[ \\t]*=(.*)$`, "gm");
  // As in every dotenv reader, the last one counts.
  const value = [...text.matchAll(pattern)].at(-1)?.[1].trim() ?? "";
  const quoted = /^(["'`])(.*)\1/.exec(value);
  return quoted ? quoted[2] : value.replace(/\s*#.*$/, "");
}

export const secretIn = (text) => variableIn(text, secretName);

/** The secret of the server on this machine: what wrangler dev reads, whatever the environment says. */
export function localSecret() {
  const secret = existsSync(secretsFile) ? secretIn(readFileSync(secretsFile, "utf8")) : "";
  if (secret) return secret;
  throw new Failure(`there is no ${secretName} in .dev.vars: \`npm run setup\` makes one`);
}

/** The secret to sign tokens with: the environment's, which may be a deployed server's, or the local one. */
export const readSecret = () => process.env[secretName] || localSecret();
