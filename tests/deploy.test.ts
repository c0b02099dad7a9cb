// Follows docs/deploy.md as an operator would. Commands that need no account are run in order and must print
// the outputs on the page; for the others, every command and option must exist.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";

import { capture, inRoot, toolEnv, wrangler } from "../scripts/lib/project.mjs";
import { createDevServer } from "./support/dev.ts";
import { assertShows, blocksOf, expectedOf, fence, linesOf, squeeze } from "./support/page.ts";
import type { Block } from "./support/page.ts";

const page = readFileSync(inRoot("docs", "deploy.md"), "utf8");
const address = "https://switchboard.example.workers.dev";
const secret = "a secret that is only good for tests";
const env = { ...toolEnv(), CI: "true", JWT_SECRET: secret };

const folder = mkdtempSync(path.join(tmpdir(), "switchboard-deploy-"));
const config = path.join(folder, "wrangler.toml");
const state = path.join(folder, "state");
after(() => rmSync(folder, { recursive: true, force: true }));

// --- The page ---

const blocks = blocksOf(page);
const isShell = (block: Block) => block.language === "sh";

// --- Its configuration ---

/** Returns the project's configuration, changed to use the Worker that `npm test` has built. */
function projectConfig() {
  const main = JSON.stringify(inRoot("dist", "index.js"));
  const text = readFileSync(inRoot("wrangler.toml"), "utf8");
  // dist/ is already built, and a build would take minutes. Its wasm can be used as a module directly.
  const settings = text
    .replace(/^\[build\]\n(?:\w.*\n)*/m, "")
    .replace(/^main = .*$/m, `main = ${main}\nno_bundle = true`);
  const rules = '[[rules]]\ntype = "CompiledWasm"\nglobs = ["**/*.wasm"]\nfallthrough = false\n';
  return `${settings}\n${rules}`;
}

/** Makes paths absolute: they are relative to the configuration file, which is in another folder here. */
const withPlaces = (text: string) =>
  text.replace(
    /^(migrations_dir|directory) = "(.*)"$/gm,
    (_line, key: string, place: string) => `${key} = ${JSON.stringify(inRoot(place))}`,
  );

let configText = projectConfig();
const saveConfig = () => writeFileSync(config, withPlaces(configText));
saveConfig();

/** Applies a block to the copy as the page says: `top` blocks at the top, `end` blocks at the end. */
function edit({ mark, text }: Block) {
  configText = mark === "top" ? `${text}\n${configText}` : `${configText}\n${text}\n`;
  saveConfig();
}

// --- Its commands ---

/** Adds options that keep the command away from the developer's own build and state. */
function sheltered(command: string) {
  const isUser = command.startsWith("npm run user");
  const isWrangler = /^(npx wrangler|npm run deploy) /.test(command);
  const options: string[] = [];
  if (isWrangler) options.push(`--config=${config}`);
  if (isUser || command.includes(" --local")) options.push(`--persist-to=${state}`);
  return [command, ...options].join(" ");
}

/** Runs commands as an operator would paste them into a shell. */
async function paste(commands: string) {
  const { code, stdout, stderr } = await capture("sh", ["-ec", commands], { env });
  assert.equal(code, 0, `${commands}\n${stdout}${stderr}`);
  return `${stdout}\n${stderr}`;
}

async function follow(block: Block) {
  const commands = linesOf(block.text).map(sheltered).join("\n");
  assertShows(await paste(commands), expectedOf(blocks, block), block.text);
}

describe("commands that need no account do what the page says", () => {
  // In page order, since each step depends on the previous ones.
  for (const block of blocks) {
    const [title] = linesOf(block.text);
    if (isShell(block) && block.mark === "offline") test(title, () => follow(block));
    if (block.language === "toml" && block.mark) test(`wrangler.toml: ${title}`, () => edit(block));
  }

  test("staging has every binding and variable that production has", async () => {
    const namesIn = async (name: string) => {
      const output = await paste(sheltered(`npx wrangler deploy --dry-run --env="${name}"`));
      return [...output.matchAll(/^env\.(\w+)/gm)].map((match) => match[1]).sort();
    };
    const names = await namesIn("");
    assert.ok(names.length >= 4, names.join());
    assert.deepEqual(await namesIn("staging"), names);
  });
});

test("a server passes the checks on the page", async () => {
  const server = await createDevServer({ JWT_SECRET: secret });
  try {
    await server.start();
    const checks = blocks.filter((block) => isShell(block) && block.mark === "server");
    assert.ok(checks.length >= 2);
    for (const block of checks) {
      const output = await paste(block.text.replaceAll(address, server.url));
      assertShows(output, expectedOf(blocks, block), block.text);
    }
  } finally {
    await server.close();
  }
});

test("commands that need an account are marked", () => {
  const others = blocks.filter((block) => isShell(block) && block.mark === "");
  assert.ok(others.length > 10);
  for (const { before, text } of others) assert.match(before, /\(account\)[.:]$/, text);
});

// --- Commands that cannot be run ---

/** Returns all code on the page that a reader could paste. */
function snippets() {
  const inline = [...page.replace(fence, "").matchAll(/`([^`]+)`/g)].map((match) => match[1]);
  return [...blocks.filter(isShell).flatMap((block) => linesOf(block.text)), ...inline];
}

/** Returns, for each command with this prefix, the remaining words of the command. */
function commandsLike(start: RegExp) {
  return snippets()
    .map((text) => squeeze(text).split(start)[1])
    .filter((rest) => rest !== undefined)
    .map((rest): string[] => rest.split(/[|)]/)[0]?.match(/(?:"[^"]*"|\S)+/g) ?? []);
}

const wranglerCommands = [
  ...commandsLike(/^(?:npx )?wrangler /),
  // The script passes its arguments on.
  ...commandsLike(/^npm run deploy -- /).map((words) => ["deploy", ...words]),
];

/** Returns the words before the first option. */
function operands(words: string[]) {
  const end = words.findIndex((word) => word.startsWith("-"));
  return end < 0 ? words : words.slice(0, end);
}

/** Returns wrangler's help for a command: the command's name, the number of operands, and the full text. */
async function helpOf(names: string[]) {
  const { code, stdout } = await capture(...wrangler(...names, "--help"), { env });
  assert.equal(code, 0, names.join(" "));
  // Such as: wrangler d1 migrations apply <database>
  const [first = ""] = stdout.trim().split("\n");
  const heading = first.split(" ").slice(1);
  const name = heading.filter((word) => /^\w/.test(word));
  return { name, places: heading.length - name.length, text: stdout };
}

test("wrangler knows every command and option", async () => {
  assert.ok(wranglerCommands.length > 20);
  const keyOf = (words: string[]) => operands(words).join(" ");
  const keys = [...new Set(wranglerCommands.map(keyOf))];
  const known = new Map<string, Awaited<ReturnType<typeof helpOf>>>();
  while (keys.length > 0) {
    const some = keys.splice(0, 4);
    const helps = await Promise.all(
      some.map(async (key) => [key, await helpOf(key.split(" "))] as const),
    );
    for (const [key, help] of helps) known.set(key, help);
  }
  for (const words of wranglerCommands) {
    const names = operands(words);
    const key = keyOf(words);
    const help = known.get(key);
    assert.ok(help, key);
    const { name, places, text } = help;
    // For an unknown command, wrangler shows the help of its parent command.
    assert.deepEqual(names.slice(0, name.length), name, key);
    assert.ok(name.length > 0 && names.length - name.length <= places, `wrangler ${key}`);
    for (const option of words.filter((word) => word.startsWith("--"))) {
      const [flag] = option.split("=");
      assert.match(text, new RegExp(`${flag}\\b(?!-)`), `wrangler ${key} ${flag}`);
    }
  }
});

test("npm knows every script", () => {
  const { scripts } = JSON.parse(readFileSync(inRoot("package.json"), "utf8"));
  const used = snippets().flatMap((text) =>
    [...text.matchAll(/\bnpm (?:run (?:--silent )?)?([\w:-]+)/g)].map((match) => match[1]),
  );
  assert.ok(used.length > 10);
  for (const name of used) assert.ok(Object.hasOwn(scripts, name), `npm run ${name}`);
});

/** Returns the anchors that GitHub generates for a file's headings. */
function anchorsOf(file: string) {
  const headings = [...readFileSync(file, "utf8").matchAll(/^#+ (.*)$/gm)];
  const slug = (text: string) => text.toLowerCase().replace(/[^\w\s-]/g, "");
  return headings.map((match) => slug(match[1]).replaceAll(" ", "-"));
}

test("every link within the project has a target", () => {
  const links = [...page.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]);
  const own = links.filter((link) => !link.startsWith("https://"));
  assert.ok(own.length > 5);
  for (const link of own) {
    const [place, anchor] = link.split("#");
    const file = place ? inRoot("docs", place) : inRoot("docs", "deploy.md");
    assert.ok(existsSync(file), link);
    if (anchor) assert.ok(anchorsOf(file).includes(anchor), link);
  }
});
