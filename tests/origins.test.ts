// Browsers on other origins, and responses outside Engine.IO.

import assert from "node:assert/strict";
import http from "node:http";
import test, { after, before } from "node:test";

import type { Host } from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const QUERY = "/socket.io/?EIO=4&transport=polling";
const page = "https://shop.example";

/** Origins of pages that are not served by a web server. */
const apps = [
  "capacitor://localhost",
  "ionic://localhost",
  "tauri://localhost",
  "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
  "file://",
  "null",
];

let open: Server;
let listed: Server;
before(async () => {
  open = await startServer();
  const origins = [page, "http://localhost:5173", ...apps, "https://*.tenants.example"];
  listed = await startServer({ vars: { ALLOWED_ORIGINS: origins.join(", ") } });
});
after(() => Promise.all([open.close(), listed.close()]));

const get = (server: Host, origin?: string, method = "GET") =>
  fetch(server.url + QUERY, { method, headers: new Headers(origin ? { Origin: origin } : {}) });

/** Requests a WebSocket upgrade with this Origin. Resolves to the status. */
function upgrade(server: Host, origin: string) {
  return new Promise((resolve, reject) => {
    const request = http.get(`${server.url}/socket.io/?EIO=4&transport=websocket`, {
      headers: {
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        Origin: origin,
      },
    });
    request.on("upgrade", (response, socket) => {
      socket.destroy();
      resolve(response.statusCode);
    });
    request.on("response", (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on("error", reject);
  });
}

test("by default every origin is allowed", async () => {
  const response = await get(open, page);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("access-control-allow-origin"), "*");
  assert.equal((await get(open)).headers.get("access-control-allow-origin"), null);
  assert.equal(await upgrade(open, page), 101);
});

test("a list of origins", async () => {
  const allowed = await get(listed, page);
  assert.equal(allowed.status, 200);
  assert.equal(allowed.headers.get("access-control-allow-origin"), page);
  assert.equal(allowed.headers.get("access-control-allow-credentials"), "true");
  assert.match(allowed.headers.get("vary") ?? "", /Origin/);

  const refused = await get(listed, "https://evil.example");
  assert.equal(refused.status, 403);
  assert.equal(refused.headers.get("access-control-allow-origin"), null);
  assert.deepEqual(await refused.json(), { code: 4, message: "Origin not allowed" });

  // Native apps send no Origin header.
  assert.equal((await get(listed)).status, 200);
  assert.equal(await upgrade(listed, page), 101);
  assert.equal(await upgrade(listed, "https://evil.example"), 403);
});

test("apps and subdomains", async () => {
  for (const origin of [...apps, "https://a.tenants.example", "https://b.a.tenants.example"]) {
    const allowed = await get(listed, origin);
    assert.equal(allowed.status, 200, origin);
    assert.equal(allowed.headers.get("access-control-allow-origin"), origin);
    assert.equal(allowed.headers.get("access-control-allow-credentials"), "true");
    assert.equal(await upgrade(listed, origin), 101, origin);
  }
  for (const origin of [
    "https://tenants.example",
    "https://eviltenants.example",
    "https://a.tenants.example.evil.com",
    "https://a.tenants.example:8443",
    "http://a.tenants.example",
    "capacitor://elsewhere",
  ]) {
    assert.equal((await get(listed, origin)).status, 403, origin);
    assert.equal(await upgrade(listed, origin), 403, origin);
  }
});

/** Sends a browser's preflight request for these headers. */
const preflight = (server: Host, origin: string, headers?: string) =>
  fetch(server.url + QUERY, {
    method: "OPTIONS",
    headers: new Headers({
      Origin: origin,
      "Access-Control-Request-Method": "POST",
      ...(headers && { "Access-Control-Request-Headers": headers }),
    }),
  });

const words = (response: Response, header: string) =>
  (response.headers.get(header) ?? "").toLowerCase().split(/, */);

test("preflights allow every header that a page of an allowed origin sends", async () => {
  const tracing = "authorization,baggage,sentry-trace,traceparent,x-anything-else";
  for (const [server, answer] of [
    [open, "*"],
    [listed, page],
  ] as const) {
    const response = await preflight(server, page, tracing);
    assert.equal(response.status, 204);
    assert.equal(response.headers.get("access-control-allow-origin"), answer);
    assert.deepEqual(words(response, "access-control-allow-headers"), tracing.split(","));
    assert.ok(words(response, "access-control-allow-methods").includes("post"));
    assert.equal(response.headers.get("access-control-max-age"), "86400");
    assert.ok(words(response, "vary").includes("access-control-request-headers"));
  }
  // Credentials (cookies, client certificates) are allowed only for listed origins.
  const credentials = "access-control-allow-credentials";
  assert.equal((await preflight(listed, page, tracing)).headers.get(credentials), "true");
  assert.equal((await preflight(open, page, tracing)).headers.get(credentials), null);
  const usual = await preflight(listed, page);
  assert.match(usual.headers.get("access-control-allow-headers") ?? "", /Authorization/);

  const refused = await preflight(listed, "https://evil.example", tracing);
  assert.equal(refused.status, 403);
  assert.equal(refused.headers.get("access-control-allow-origin"), null);
  assert.equal(refused.headers.get("access-control-allow-headers"), null);
});

test("responses that depend on the origin have a Vary header", async () => {
  for (const origin of [page, "https://evil.example", undefined]) {
    for (const method of ["GET", "OPTIONS", "POST"]) {
      const response = await get(listed, origin, method);
      assert.ok(words(response, "vary").includes("origin"), `${method} from ${origin}`);
    }
  }
});

test("pages can read error responses", async () => {
  const response = await fetch(`${listed.url}/socket.io/?EIO=3&transport=polling`, {
    headers: { Origin: page },
  });
  assert.equal(response.status, 400);
  assert.equal(response.headers.get("access-control-allow-origin"), page);
  assert.deepEqual(await response.json(), { code: 5, message: "Unsupported protocol version" });
});

test("other paths", async () => {
  assert.equal((await fetch(`${open.url}/nonsense`)).status, 404);
});
