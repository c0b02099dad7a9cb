// The limits of a server on this machine. Those of a deployed one are soon met by whoever tries things out,
// so `npm start` raises the two that people ran into. Whatever somebody has set counts for more.

import { existsSync, readFileSync } from "node:fs";

import { inRoot } from "./project.mjs";
import { secretsFile, variableIn } from "./secret.mjs";

/** In place of the defaults in src/core/config.rs. */
const localDefaults = {
  MAX_BULK_SENDS_PER_MINUTE: "600",
  MAX_CONNECTIONS_PER_USER: "1000",
};

const limitName = "(?:MAX_[A-Z_]+|EVENT_BURST)";

function limitsIn(text) {
  const names =
    text.match(new RegExp(`(?<=^[ \\t]*(?:export[ \\t]+)?)${limitName}\\b`, "gm")) ?? [];
  // An empty value is none.
  const limits = names.map((name) => [name, variableIn(text, name)]).filter(([, value]) => value);
  return Object.fromEntries(limits);
}

/** From `--var NAME:VALUE`. */
function limitsInArguments(args) {
  const pattern = new RegExp(`^(?:--var=)?(${limitName}):(.+)$`);
  const found = args.map((arg) => pattern.exec(arg)).filter(Boolean);
  return Object.fromEntries(found.map(([, name, value]) => [name, value]));
}

/** The table [vars] of a wrangler.toml; its lines read like those of a .dev.vars file. */
const varsOf = (toml) => /^\[vars\]\s*\n((?:(?!\[).*\n?)*)/m.exec(toml)?.[1] ?? "";

/** Which limits hold and who set them. Later ones replace earlier ones, as in wrangler. */
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

/** Only where nothing else is set: a `--var` would beat .dev.vars. */
export const limitArguments = (limits) =>
  limits
    .filter(({ source }) => source === "local default")
    .flatMap(({ name, value }) => ["--var", `${name}:${value}`]);

/** A line for each limit. */
export const describeLimits = (limits) =>
  limits
    .map(({ name, value, source }) => `  ${name} ${value === "0" ? "off" : value} (${source})`)
    .join("\n");
