// The limits of a local server. The deployed defaults are easily exceeded when trying things out, so
// `npm start` raises the two that people ran into. Explicit settings take precedence.

import { existsSync, readFileSync } from "node:fs";

import { inRoot } from "./project.mjs";
import { secretsFile, variableIn } from "./secret.mjs";

/** These replace the defaults in src/core/config.rs. */
const localDefaults = {
  MAX_BULK_SENDS_PER_MINUTE: "600",
  MAX_CONNECTIONS_PER_USER: "1000",
};

const limitName = "(?:MAX_[A-Z_]+|EVENT_BURST)";

function limitsIn(text) {
  const names =
    text.match(new RegExp(`(?<=^[ \\t]*(?:export[ \\t]+)?)${limitName}\\b`, "gm")) ?? [];
  // An empty value counts as unset.
  const limits = names.map((name) => [name, variableIn(text, name)]).filter(([, value]) => value);
  return Object.fromEntries(limits);
}

/** Returns the limits set by `--var NAME:VALUE`. */
function limitsInArguments(args) {
  const pattern = new RegExp(`^(?:--var=)?(${limitName}):(.+)$`);
  const found = args.map((arg) => pattern.exec(arg)).filter(Boolean);
  return Object.fromEntries(found.map(([, name, value]) => [name, value]));
}

/** Returns the table [vars] of a wrangler.toml; its lines parse like those of a .dev.vars file. */
export const varsOf = (toml) => /^\[vars\]\s*\n((?:(?!\[).*\n?)*)/m.exec(toml)?.[1] ?? "";

/** Returns the effective limits and their sources. Later sources override earlier ones, as in wrangler. */
export function mergeLimits({ toml, devVars, args }) {
  const sources = {
    "local default": localDefaults,
    "wrangler.toml": limitsIn(varsOf(toml)),
    ".dev.vars": limitsIn(devVars),
    "--var": limitsInArguments(args),
  };
  const merged = new Map();
  for (const [source, limits] of Object.entries(sources)) {
    for (const [name, value] of Object.entries(limits)) merged.set(name, { name, value, source });
  }
  return [...merged.values()];
}

const textOf = (file) => (existsSync(file) ? readFileSync(file, "utf8") : "");

export const localLimits = (args) =>
  mergeLimits({ toml: textOf(inRoot("wrangler.toml")), devVars: textOf(secretsFile), args });

/** Returns `--var` arguments for the local defaults only: `--var` would override .dev.vars. */
export const limitArguments = (limits) =>
  limits
    .filter(({ source }) => source === "local default")
    .flatMap(({ name, value }) => ["--var", `${name}:${value}`]);

/** Formats the limits, one per line. */
export const describeLimits = (limits) =>
  limits
    .map(({ name, value, source }) => `  ${name} ${value === "0" ? "off" : value} (${source})`)
    .join("\n");
