// docs/deploy.md is followed as an operator would: what runs without an account is run, in order, with
// the outputs that the page shows; of the rest, every command and option must exist.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";

import { capture, inRoot, toolEnv, wrangler } from "../scripts/lib/project.mjs";
import { createDevServer } from "./support/dev.ts";

const page = readFileSync(inRoot("docs", "deploy.md"), "utf8");
const address = "https://switchboard.example.workers.dev";
const secret = "a secret that is only good for tests";
const env = { ...toolEnv(), CI: "true", JWT_SECRET: secret };

const folder = mkdtempSync(path.join(tmpdir(), "switchboard-deploy-"));
const config = path.join(folder, "wrangler.toml");
const state = path.join(folder, "state");
after(() => rmSync(folder, { recursive: true, force: true }));

// --- The page ---

interface Block {
  language: string;
  mark: string;
  text: string;
  /** The line before it. */
  before: string;
}

const fence = /^( *)```(\w+) ?(\w*)\n([^]*?)^\1```$/gm;

/** The fenced blocks. */
function blocksOf(text: string): Block[] {
  return [...text.matchAll(fence)].map((match) => {
    const [, indent = "", language = "", mark = "", body = ""] = match;
    const lines = body.split("\n").map((line) => line.slice(indent.length));
    const before = text.slice(0, match.index).trimEnd().split("\n").at(-1) ?? "";
    return { language, mark, text: lines.join("\n").trim(), before };
  });
}

const blocks = blocksOf(page);
const linesOf = (text: string) => text.split("\n").filter(Boolean);
const isShell = (block: Block) => block.language === "sh";

/** The output that the page shows for a block. */
function expectedOf(block: Block) {
  const next = blocks[blocks.indexOf(block) + 1];
  return next?.language === "text" ? linesOf(next.text) : [];
}

const squeeze = (text: string) => text.trim().replace(/\s+/g, " ");
const escape = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Asserts that these lines occur, in this order; `…` stands for anything. */
function assertShows(output: string, expected: string[], command: string) {
  const lines = output.split("\n").map(squeeze);
  let at = 0;
  for (const wanted of expected.map(squeeze).filter((line) => line !== "…")) {
    const pattern = new RegExp(`^${wanted.split("…").map(escape).join(".*")}$`);
    const found = lines.findIndex((line, index) => index >= at && pattern.test(line));
    assert.ok(found >= 0, `the output of\n${command}\nlacks "${wanted}":\n${output}`);
    at = found + 1;
  }
}

// --- Its configuration ---

/** The project's configuration, on the Worker that `npm test` has built. */
function projectConfig() {
  const main = JSON.stringify(inRoot("dist", "index.js"));
  const text = readFileSync(inRoot("wrangler.toml"), "utf8");
  // A build would take minutes, and dist/ is one. Its wasm is a module as it stands.
  const settings = text
    .replace(/^\[build\]\n(?:\w.*\n)*/m, "")
    .replace(/^main = .*$/m, `main = ${main}\nno_bundle = true`);
  const rules = '[[rules]]\ntype = "CompiledWasm"\nglobs = ["**/*.wasm"]\nfallthrough = false\n';
  return `${settings}\n${rules}`;
}

/** Paths in a configuration are relative to it, and this one lies elsewhere. */
const withPlaces = (text: string) =>
  text.replace(
    /^(migrations_dir|directory) = "(.*)"$/gm,
    (_line, key: string, place: string) => `${key} = ${JSON.stringify(inRoot(place))}`,
  );

let configText = projectConfig();
const saveConfig = () => writeFileSync(config, withPlaces(configText));
saveConfig();

/** Does what the page says, to the copy: blocks marked `top` go to the top, those marked `end` to the end. */
function edit({ mark, text }: Block) {
  configText = mark === "top" ? `${text}\n${configText}` : `${configText}\n${text}\n`;
  saveConfig();
}

// --- Its commands ---

/** The command, kept away from the developer's own build and state. */
function sheltered(command: string) {
  const isUser = command.startsWith("npm run user");
  const isWrangler = /^(npx wrangler|npm run deploy) /.test(command);
  const options: string[] = [];
  if (isWrangler) options.push(`--config=${config}`);
  if (isUser || command.includes(" --local")) options.push(`--persist-to=${state}`);
  return [command, ...options].join(" ");
}

/** Runs what an operator would paste into a shell. */
async function paste(commands: string) {
  const { code, stdout, stderr } = await capture("sh", ["-ec", commands], { env });
  assert.equal(code, 0, `${commands}\n${stdout}${stderr}`);
  return `${stdout}\n${stderr}`;
}

async function follow(block: Block) {
  const commands = linesOf(block.text).map(sheltered).join("\n");
  assertShows(await paste(commands), expectedOf(block), block.text);
}

describe("what needs no account does what the page says", () => {
  // In the order of the page: each step stands on those before it.
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

test("a server answers the checks as the page says", async () => {
  const server = await createDevServer({ JWT_SECRET: secret });
  try {
    await server.start();
    const checks = blocks.filter((block) => isShell(block) && block.mark === "server");
    assert.ok(checks.length >= 2);
    for (const block of checks) {
      const output = await paste(block.text.replaceAll(address, server.url));
      assertShows(output, expectedOf(block), block.text);
    }
  } finally {
    await server.close();
  }
});

test("what needs an account says so", () => {
  const others = blocks.filter((block) => isShell(block) && block.mark === "");
  assert.ok(others.length > 10);
  for (const { before, text } of others) assert.match(before, /\(account\)[.:]$/, text);
});

// --- What of it cannot be run ---

/** Everything on the page that is written as code and could be pasted. */
function snippets() {
  const inline = [...page.replace(fence, "").matchAll(/`([^`]+)`/g)].map((match) => match[1]);
  return [...blocks.filter(isShell).flatMap((block) => linesOf(block.text)), ...inline];
}

/** The words of each command that begins like this, up to the end of the command. */
function commandsLike(start: RegExp) {
  return snippets()
    .map((text) => squeeze(text).split(start)[1])
    .filter((rest) => rest !== undefined)
    .map((rest): string[] => rest.split(/[|)]/)[0]?.match(/(?:"[^"]*"|\S)+/g) ?? []);
}

const wranglerCommands = [
  ...commandsLike(/^(?:npx )?wrangler /),
  // It hands on what it is given.
  ...commandsLike(/^npm run deploy -- /).map((words) => ["deploy", ...words]),
];

/** The words before the options. */
function operands(words: string[]) {
  const end = words.findIndex((word) => word.startsWith("-"));
  return end < 0 ? words : words.slice(0, end);
}

/** What wrangler says about a command: the name it knows it by, how many operands it takes, and all. */
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
    // Of a command that does not exist, wrangler shows the help of the one above it.
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
    [...text.matchAll(/\bnpm (?:run (?:--silent )?)?([\w:]+)/g)].map((match) => match[1]),
  );
  assert.ok(used.length > 10);
  for (const name of used) assert.ok(Object.hasOwn(scripts, name), `npm run ${name}`);
});

/** The anchors that GitHub gives to a file's headings. */
function anchorsOf(file: string) {
  const headings = [...readFileSync(file, "utf8").matchAll(/^#+ (.*)$/gm)];
  const slug = (text: string) => text.toLowerCase().replace(/[^\w\s-]/g, "");
  return headings.map((match) => slug(match[1]).replaceAll(" ", "-"));
}

test("every link within the project leads somewhere", () => {
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
