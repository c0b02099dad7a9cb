// What /healthz tells whom, and what a deployed Worker says of ALLOWED_ORIGINS = "*".

import assert from "node:assert/strict";
import http from "node:http";
import test, { after, before } from "node:test";

import { until } from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const API_KEY = "a key for the backend, of 40 characters..";
const CACHE_MS = 400;

let server: Server;
before(async () => {
  server = await startServer({ vars: { API_KEY, HEALTH_CACHE_MS: CACHE_MS } });
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
  for (const authorization of [key, `Bearer ${server.token("monitor", { scope: "service" })}`]) {
    assert.deepEqual(await health(server, authorization), [200, deep]);
  }
  for (const authorization of [`${key}x`, "Basic x"]) {
    const [refused, { code }] = await health(server, authorization);
    assert.deepEqual([refused, code], [401, "unauthorized"]);
  }
  const [forbidden] = await health(server, `Bearer ${server.token("somebody")}`);
  assert.equal(forbidden, 403);
});

test("a thorough check is remembered for a while", async () => {
  // Nothing in D1 can be asked without the database's file: the ping itself never fails here. So the object's
  // calls are counted by its file's first appearance, and the answers by their time.
  const asked = async () => {
    const begun = Date.now();
    await health(server, key);
    return Date.now() - begun;
  };
  await asked();
  await until(async () => (await asked()) >= 0, "an answer");
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
  const warning = 'ALLOWED_ORIGINS is "*": the pages of any origin may connect';
  assert.equal((await healthAt("switchboard.example.workers.dev", server)).warning, warning);
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
