// What /healthz tells whom, and what a deployed Worker says of ALLOWED_ORIGINS = "*".

import assert from "node:assert/strict";
import http from "node:http";
import test, { after, before } from "node:test";

import { until } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const API_KEY = "a key for the backend, of 40 characters..";
const CACHE_MS = 1_000;
const openOrigins = 'ALLOWED_ORIGINS is "*": the pages of any origin may connect';

let server: Server;
before(async () => {
  server = await startServer({ vars: { API_KEY } });
});
after(() => server.close());

async function health(
  { url }: { url: string },
  authorization?: string,
): Promise<[status: number, body: any]> {
  const headers = new Headers(authorization ? { Authorization: authorization } : {});
  const response = await fetch(`${url}/healthz`, { headers });
  return [response.status, await response.json()];
}

/** Asks as if the Worker were deployed at this address. */
function healthAt(host: string, { url }: { url: string }) {
  return new Promise<any>((resolve, reject) => {
    const request = http.get(`${url}/healthz`, { headers: { Host: host } }, async (response) => {
      resolve(JSON.parse((await response.toArray()).join("")));
    });
    request.on("error", reject);
  });
}

const key = `Bearer ${API_KEY}`;

test("without a key it is shallow, with one D1 and the objects are asked", async () => {
  const [status, shallow] = await health(server);
  assert.equal(status, 200);
  assert.match(shallow.version, /^\d+\.\d+\.\d+$/);
  assert.deepEqual(shallow, { configuration: "ok", version: shallow.version });
  const deep = { configuration: "ok", d1: "ok", objects: "ok", version: shallow.version };
  for (const authorization of [key, `Bearer ${server.token("monitor", { aud: "switchboard" })}`]) {
    assert.deepEqual(await health(server, authorization), [200, deep]);
  }
  for (const authorization of [`${key}x`, "Basic x"]) {
    const [refused, { code }] = await health(server, authorization);
    assert.deepEqual([refused, code], [401, "unauthorized"]);
  }
  const [forbidden] = await health(server, `Bearer ${server.token("somebody")}`);
  assert.equal(forbidden, 403);
});

test("a thorough check is remembered for a while, and a warning is logged once", async () => {
  // The local runtime has no jurisdictions, so each check of the objects logs that it fails.
  const vars = { API_KEY, JURISDICTION: "eu", HEALTH_CACHE_MS: CACHE_MS };
  const dev = await createDevServer(vars);
  try {
    await dev.start();
    for (let asked = 0; asked < 3; asked += 1) {
      const [status, { d1, objects }] = await health(dev, key);
      assert.deepEqual([status, d1, objects], [503, "ok", "failing"]);
      await healthAt("switchboard.example.workers.dev", dev);
    }
    const checks = () => dev.logged("objects").length;
    await until(async () => {
      await health(dev, key);
      return checks() > 1;
    }, "another check");
    assert.equal(checks(), 2);
    assert.deepEqual(dev.logged("configuration"), [
      { detail: openOrigins, level: "warning", what: "configuration" },
    ]);
  } finally {
    await dev.close();
  }
});

test("what fails is named, with or without a key", async () => {
  const broken = await startServer({ vars: { API_KEY, PING_INTERVAL_MS: "soon" } });
  try {
    for (const authorization of [undefined, key]) {
      const [status, { version: _, ...body }] = await health(broken, authorization);
      assert.deepEqual([status, body], [503, { configuration: "failing" }]);
    }
  } finally {
    await broken.close();
  }
});

test("a deployed Worker that allows every origin says so", async () => {
  const { warning } = await healthAt("switchboard.example.workers.dev", server);
  assert.equal(warning, openOrigins);
  for (const host of ["localhost", "127.0.0.1:4000", "[::1]:4000"]) {
    assert.equal((await healthAt(host, server)).warning, undefined, host);
  }
  const listed = await startServer({ vars: { ALLOWED_ORIGINS: "https://www.example.com" } });
  try {
    const { warning } = await healthAt("switchboard.example.workers.dev", listed);
    assert.equal(warning, undefined);
  } finally {
    await listed.close();
  }
});
