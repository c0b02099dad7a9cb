// `npm run contract`: asyncapi.yaml and client/index.d.ts, made from the Rust payload types.
// With --check: whether they are current.
//
// `cargo test contract` writes the AsyncAPI document (src/core/contract); the types for TypeScript are
// made of it.

import { readFileSync, writeFileSync } from "node:fs";

import { Failure, inRoot, isMain, main, run } from "./lib/project.mjs";
import { types } from "./lib/typescript.mjs";
import { setup } from "./setup.mjs";

const locked = process.env.CI ? ["--locked"] : [];

const yamlHeader = `# Made from the Rust payload types by \`npm run contract\`: change those.\n`;

async function document() {
  await run("cargo", ["test", "--quiet", ...locked, "--lib", "contract::"]);
  return JSON.parse(readFileSync(inRoot("target", "contract", "asyncapi.json"), "utf8"));
}

async function yaml({ asyncapi, info, servers, channels, operations, ...rest }) {
  const { stringify } = await import("yaml");
  // What a reader looks for first comes first.
  const document = { asyncapi, info, servers, channels, operations, ...rest };
  return yamlHeader + stringify(document, { aliasDuplicateObjects: false, lineWidth: 100 });
}

async function formatted(file, text) {
  const prettier = await import("prettier");
  const options = await prettier.resolveConfig(inRoot(file));
  return prettier.format(text, { ...options, filepath: inRoot(file) });
}

/** The files of the contract and what is to be in them. */
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
    throw new Failure(`not what the Rust types say: ${names} (npm run contract mends it)`);
  }
  for (const [file, text] of stale) writeFileSync(inRoot(file), text);
  console.log(names ? `contract: wrote ${names}` : "contract: current");
}

if (isMain(import.meta)) {
  await main(async () => {
    await setup();
    await contract({ check: process.argv.includes("--check") });
  });
}
