// Runs the examples of docs/campaigns.md: they must print what the page shows.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test, { after, before } from "node:test";

import { capture, inRoot, systemEnv } from "../scripts/lib/project.mjs";
import { assertShows, blocksOf, expectedOf } from "./support/page.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const address = "http://localhost:4000";
const scope = "messages:send messages:read";
const blocks = blocksOf(readFileSync(inRoot("docs", "campaigns.md"), "utf8"));

let server: Server;
before(async () => {
  server = await startServer();
  for (const customer of ["customer1", "customer2"]) await server.addUser(customer);
});
after(() => server.close());

/** Returns the examples in a language as one program, and what it prints. */
function program(language: string) {
  const own = blocks.filter((block) => block.language === language && block.mark === "");
  assert.ok(own.length > 5);
  return {
    code: own.map(({ text }) => text).join("\n"),
    expected: own.flatMap((block) => expectedOf(blocks, block)),
  };
}

/** Runs a command that must succeed, with this token, and returns its output. */
async function run(command: string, args: string[], TOKEN: string) {
  const env = { ...systemEnv(), TOKEN, URL: server.url };
  const { code, stdout, stderr } = await capture(command, args, { env });
  assert.equal(code, 0, stdout + stderr);
  return stdout;
}

test("every step over Socket.IO", async () => {
  const { code, expected } = program("js");
  assert.ok(code.includes(address));
  const args = ["--input-type=module", "--eval", code.replace(address, server.url)];
  const token = server.token("contractor1", { role: "contractor" });
  assertShows(await run(process.execPath, args, token), expected, code);
});

// After the other one, so that the contractor is known and has campaigns.
test("every step over HTTP", async () => {
  const { code, expected } = program("sh");
  const token = server.token("backend", { aud: "switchboard", scope });
  assertShows(await run("sh", ["-ec", code], token), expected, code);
});
