// Browsers on other origins, and what is answered outside of Engine.IO.

import assert from "node:assert/strict";
import http from "node:http";
import test, { after, before } from "node:test";

import type { Host } from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const QUERY = "/socket.io/?EIO=4&transport=polling";
const page = "https://shop.example";

let open: Server;
let listed: Server;
before(async () => {
  open = await startServer();
  listed = await startServer({ vars: { ALLOWED_ORIGINS: `${page}, http://localhost:5173` } });
});
after(() => Promise.all([open.close(), listed.close()]));

const get = (server: Host, origin?: string, method = "GET") =>
  fetch(server.url + QUERY, { method, headers: new Headers(origin ? { Origin: origin } : {}) });

/** The status of a WebSocket upgrade with this Origin. */
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

test("every origin, by default", async () => {
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

  // An app has no origin.
  assert.equal((await get(listed)).status, 200);
  assert.equal(await upgrade(listed, page), 101);
  assert.equal(await upgrade(listed, "https://evil.example"), 403);
});

test("preflights", async () => {
  const response = await get(listed, page, "OPTIONS");
  assert.equal(response.status, 204);
  assert.equal(response.headers.get("access-control-allow-origin"), page);
  assert.match(response.headers.get("access-control-allow-headers") ?? "", /Authorization/);
  assert.match(response.headers.get("access-control-allow-methods") ?? "", /POST/);
});

test("errors can be read by the page, too", async () => {
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
