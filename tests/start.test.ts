// `npm start` with an existing build, and the example client that it mentions.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { after } from "node:test";

import { signToken, localSecret, tokenClaims } from "../scripts/lib/token.mjs";
import * as client from "./support/clients.ts";
import { freePort } from "./support/dev.ts";
import { startScript, stopScripts } from "./support/script.ts";

const state = mkdtempSync(path.join(tmpdir(), "switchboard-start-"));
after(async () => {
  client.closeAll();
  await stopScripts();
  rmSync(state, { recursive: true, force: true });
});

/** Starts it and waits for its last line. Returns the printed limits and the token of a printed link. */
async function serve(port: number, ...more: string[]) {
  // An exported secret of another server must be ignored.
  const env = { JWT_SECRET: "another server's secret, of more than 32 bytes" };
  const args = [`--port=${port}`, `--persist-to=${state}`, ...more];
  const server = startScript("scripts/start.mjs", args, env);
  const [, link = ""] = await server.shows(/contractor1\n +(http\S+)/);
  const [, limits = ""] = await server.shows(/^Limits on .*\n((?: .*\n)+)\nStop it with Ctrl-C/m);
  return { server, limits, token: new URL(link).hash.replace("#token=", "") };
}

/** Returns the host to which the clients of tests/support connect. */
const hostAt = (port: number) => ({
  url: `http://localhost:${port}`,
  token: (sub: string, claims: object = {}) =>
    signToken({ ...tokenClaims({ sub }), ...claims }, localSecret()),
});

test("it serves, restarts within 15 seconds, and ends on Ctrl-C", async () => {
  const port = await freePort();
  const first = await serve(port);
  // The exit code that shells use for this signal.
  assert.equal(await first.server.stop("SIGINT"), 130);

  const begin = Date.now();
  const { token } = await serve(port);
  assert.ok(Date.now() - begin < 15_000, `it took ${Date.now() - begin} ms`);

  const url = `http://localhost:${port}`;
  const taken = startScript("scripts/start.mjs", [`--port=${port}`, `--persist-to=${state}`]);
  await taken.shows(new RegExp(`port ${port} cannot be used \\(EADDRINUSE\\)`));
  assert.equal(await taken.stop(), 1);

  // The demo users exist, and the printed tokens are valid.
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

  // Two clients of one user count as two devices.
  const second = startScript("examples/test-client.js", ["customer1", "--url", url]);
  await second.shows(/user_online_status \{.*"connectionCount":2/);
  for (const client of [customer, contractor, second]) {
    client.type("quit");
    assert.equal(await client.stop(), 0);
  }
});

test("a local server has higher limits than a deployed one", async () => {
  const port = await freePort();
  const { server, limits } = await serve(port, "--var", "MAX_TEXT_CHARS:50");
  assert.match(limits, /^ {2}MAX_BULK_SENDS_PER_MINUTE 600 \(local default\)$/m);
  assert.match(limits, /^ {2}MAX_CONNECTIONS_PER_USER 1000 \(local default\)$/m);
  assert.match(limits, /^ {2}MAX_TEXT_CHARS 50 \(--var\)$/m);

  const host = hostAt(port);
  const contractor = await client.contractor(host);
  // A deployed server allows five bulk sends a minute and 20 connections.
  for (let sent = 0; sent < 6; sent++) {
    const { totalSent } = await client.sendText(contractor, ["customer1"], `offer ${sent}`);
    assert.equal(totalSent, 1);
  }
  const connections = 25;
  for (let made = 0; made < connections; made++) {
    await client.connect(host, "customer2", { transports: ["websocket"] });
  }
  const { connectionCount } = await client.statusOf(contractor, "customer2");
  assert.equal(connectionCount, connections);

  // The printed limits are in effect.
  const { code } = await client.refusal(
    contractor,
    "send_bulk_message",
    client.textTo(["customer1"], "x".repeat(51)),
  );
  assert.equal(code, "too_many");
  client.closeAll();
  await server.stop("SIGINT");
});
