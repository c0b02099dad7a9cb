// The secret that signs development tokens: JWT_SECRET, in .dev.vars or the environment.

import { existsSync, readFileSync } from "node:fs";

import { Failure, inRoot } from "./project.mjs";

export const secretName = "JWT_SECRET";
export const secretsFile = inRoot(".dev.vars");

/** The secret in the text of a .dev.vars file, or "". */
export function secretIn(text) {
  const pattern = new RegExp(`^[ \\t]*(?:export[ \\t]+)?${secretName}[ \\t]*=(.*)$`, "gm");
  // As in every dotenv reader, the last one counts.
  const value = [...text.matchAll(pattern)].at(-1)?.[1].trim() ?? "";
  const quoted = /^(["'`])(.*)\1/.exec(value);
  return quoted ? quoted[2] : value.replace(/\s*#.*$/, "");
}

export function readSecret() {
  if (process.env[secretName]) return process.env[secretName];
  const secret = existsSync(secretsFile) ? secretIn(readFileSync(secretsFile, "utf8")) : "";
  if (secret) return secret;
  throw new Failure(`there is no ${secretName} in .dev.vars: \`npm run setup\` makes one`);
}
