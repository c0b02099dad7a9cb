// `npm run contract`: generates asyncapi.yaml and client/index.d.ts from the Rust payload types.
// --check fails if they are stale and writes nothing.
//
// `cargo test contract` writes the AsyncAPI document (src/core/contract), from which the TypeScript types
// are generated.

import { readFileSync, writeFileSync } from "node:fs";

import { Failure, cargoLocked, inRoot, isMain, main, run } from "./lib/project.mjs";
import { types } from "./lib/typescript.mjs";
import { setup } from "./setup.mjs";

const yamlHeader = `# Made from the Rust payload types by \`npm run contract\`: change those.\n`;

async function document() {
  await run("cargo", ["test", "--quiet", ...cargoLocked, "--lib", "contract::"]);
  return JSON.parse(readFileSync(inRoot("target", "contract", "asyncapi.json"), "utf8"));
}

async function yaml({ asyncapi, info, servers, channels, operations, ...rest }) {
  const { stringify } = await import("yaml");
  // The keys that readers look for first come first.
  const document = { asyncapi, info, servers, channels, operations, ...rest };
  return yamlHeader + stringify(document, { aliasDuplicateObjects: false, lineWidth: 100 });
}

async function formatted(file, text) {
  const prettier = await import("prettier");
  const options = await prettier.resolveConfig(inRoot(file));
  return prettier.format(text, { ...options, filepath: inRoot(file) });
}

/** Returns the files of the contract with the contents that they should have. */
async function contractFiles() {
  const contract = await document();
  const declarations = await types(contract);
  const files = {
    "asyncapi.yaml": await yaml(contract),
    "client/index.d.ts": declarations,
  };
  const all = Object.entries(files).map(async ([file, text]) => [
    file,
    await formatted(file, text),
  ]);
  return Promise.all(all);
}

function isCurrent([file, text]) {
  try {
    return readFileSync(inRoot(file), "utf8") === text;
  } catch {
    return false;
  }
}

export async function contract({ check }) {
  const stale = (await contractFiles()).filter((file) => !isCurrent(file));
  const names = stale.map(([file]) => file).join(", ");
  if (check && stale.length > 0) {
    throw new Failure(`out of date with the Rust types: ${names} (npm run contract fixes it)`);
  }
  for (const [file, text] of stale) writeFileSync(inRoot(file), text);
  console.log(names ? `contract: wrote ${names}` : "contract: up to date");
}

if (isMain(import.meta)) {
  await main(async () => {
    await setup();
    await contract({ check: process.argv.includes("--check") });
  });
}
