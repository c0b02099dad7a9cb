// `npm start` on what is built already, and the small client that it points to.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { after } from "node:test";

import { freePort } from "./support/dev.ts";
import { startScript, stopScripts } from "./support/script.ts";

const state = mkdtempSync(path.join(tmpdir(), "switchboard-start-"));
after(async () => {
  await stopScripts();
  rmSync(state, { recursive: true, force: true });
});

async function serve(port: number) {
  // Another server's secret, as somebody may have exported it, is nobody's business here.
  const env = { JWT_SECRET: "another server's secret, of more than 32 bytes" };
  const server = startScript("scripts/start.mjs", [`--port=${port}`, `--persist-to=${state}`], env);
  const [, link = ""] = await server.shows(/contractor1\n +(http\S+)/);
  await server.shows(/Stop it with Ctrl-C/);
  return { server, token: new URL(link).hash.replace("#token=", "") };
}

test("it serves, a second time within 15 seconds, and ends by Ctrl-C", async () => {
  const port = await freePort();
  const first = await serve(port);
  // What shells make of an end by this signal.
  assert.equal(await first.server.stop("SIGINT"), 130);

  const begin = Date.now();
  const { token } = await serve(port);
  assert.ok(Date.now() - begin < 15_000, `it took ${Date.now() - begin} ms`);

  const url = `http://localhost:${port}`;
  const taken = startScript("scripts/start.mjs", [`--port=${port}`, `--persist-to=${state}`]);
  await taken.shows(new RegExp(`port ${port} cannot be used \\(EADDRINUSE\\)`));
  assert.equal(await taken.stop(), 1);

  // The demo users are there, and the printed tokens are good.
  const customer = startScript("examples/test-client.js", ["customer1", "--url", url]);
  await customer.shows(/connect \{"user":"customer1"/);
  const contractor = startScript("examples/test-client.js", [
    "contractor1",
    "--url",
    url,
    "--token",
    token,
  ]);
  await contractor.shows(/connect \{"user":"contractor1"/);
  contractor.type("bulk customer1,nobody Hello from a pipe!");
  await contractor.shows(/bulk_message_sent \{"totalSent":1,"totalFailed":1,/);
  await customer.shows(/new_message \{.*"text":"Hello from a pipe!"/);
  contractor.type("status customer1,customer2");
  await contractor.shows(/bulk_online_status \{"customer1":\{"isOnline":true/);

  // Two of them are one user on two devices.
  const second = startScript("examples/test-client.js", ["customer1", "--url", url]);
  await second.shows(/user_online_status \{.*"connectionCount":2/);
  for (const client of [customer, contractor, second]) {
    client.type("quit");
    assert.equal(await client.stop(), 0);
  }
});
