// The console page is served completely and with a strict policy, or not at all where it is disabled.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const open: Server[] = [];

async function serving(vars: Record<string, string> = {}) {
  const server = await startServer({ vars });
  open.push(server);
  return server;
}

after(() => Promise.all(open.map((server) => server.close())));

test("the page's policy allows nothing but its own files", async () => {
  const { url } = await serving();
  const response = await fetch(`${url}/`);
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^text\/html/);
  const page = await response.text();
  assert.match(page, /<title>Switchboard console<\/title>/);
  // Nothing is inline: all scripts and styles are in files that the policy covers.
  assert.doesNotMatch(page, /<script(?![^>]* src=)|<style| style=| on[a-z]+=/);

  const files = [...page.matchAll(/(?:src|href)="([^":]+)"/g)].map(([, file]) => file);
  assert.equal(files.length, 2);
  for (const file of ["", ...files, "service-worker.js"]) {
    const { status, headers } = await fetch(`${url}/${file}`);
    assert.equal(status, 200, file);
    const policy = headers.get("content-security-policy") ?? "";
    for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"]) {
      assert.ok(policy.includes(rule), `${file}: ${policy}`);
    }
    assert.doesNotMatch(policy, /unsafe|\*/);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("referrer-policy"), "no-referrer");
  }
});

test("a variable disables it", async () => {
  const { url } = await serving({ CONSOLE: "off" });
  for (const path of ["/", "/index.html", "//"]) {
    const page = await (await fetch(url + path)).text();
    assert.doesNotMatch(page, /<html/, path);
  }
  assert.match(await (await fetch(`${url}/`)).text(), /Switchboard is running/);
});

test("a value other than on or off is reported", async () => {
  const { url } = await serving({ CONSOLE: "no" });
  const response = await fetch(`${url}/`);
  assert.equal(response.status, 500);
  assert.match(await response.text(), /CONSOLE: .*neither/);
});
