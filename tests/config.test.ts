// The first request reports a missing or invalid variable by name.

import assert from "node:assert/strict";
import test from "node:test";

import { startServer } from "./support/server.ts";

const cases: Record<string, [options: Parameters<typeof startServer>[0], expected: RegExp]> = {
  "a bad number": [{ vars: { PING_INTERVAL_MS: "soon" } }, /PING_INTERVAL_MS: "soon" is not a/],
  "a truth value": [{ vars: { PING_INTERVAL_MS: true } }, /PING_INTERVAL_MS: "true" is not a/],
  "a ping that comes too late": [
    { vars: { PING_INTERVAL_MS: 90_001, HEARTBEAT_BOUNDS: "on" } },
    /PING_INTERVAL_MS: 90001 is more than 90000: a WebSocket that idles for 100000 ms is cut/,
  ],
  "a pong that may hardly take any time": [
    { vars: { PING_TIMEOUT_MS: 4_999, HEARTBEAT_BOUNDS: "on" } },
    /PING_TIMEOUT_MS: 4999 is less than 5000: a client on a slow network/,
  ],
  "a bad origin": [
    { vars: { ALLOWED_ORIGINS: "shop.example" } },
    /ALLOWED_ORIGINS: "shop.example"/,
  ],
  "a secret that is too short": [
    { secrets: { JWT_SECRET: "hunter2" } },
    /JWT_SECRET: the secret is shorter than 32 bytes/,
  ],
  "public keys, but nothing to sign session ids with": [
    { vars: { JWKS_URL: "https://issuer.example/keys" }, secrets: { JWT_SECRET: "" } },
    /JWT_SECRET: neither this secret nor API_KEY is set/,
  ],
  "a webhook that cannot be signed": [
    { vars: { WEBHOOK_URL: "https://api.example.com/hook?key=hunter2" } },
    /WEBHOOK_SECRET: the secret is not set, and WEBHOOK_URL is/,
  ],
  "a webhook's secret that is not one": [
    { vars: { WEBHOOK_URL: "https://api.example.com/hook", WEBHOOK_SECRET: "hunter2" } },
    /WEBHOOK_SECRET: the secret is not whsec_ and the base64 of 24 to 64 bytes/,
  ],
  "a webhook over the network in the clear": [
    { vars: { WEBHOOK_URL: "http://api.example.com/hook?key=hunter2" } },
    /WEBHOOK_URL: it is not an https:/,
  ],
  "an empty secret": [{ secrets: { JWT_SECRET: "" } }, /JWT_SECRET: the secret is not set/],
};

test("a number may be written without quotes", async () => {
  const server = await startServer({ vars: { PING_INTERVAL_MS: 7_000 } });
  const response = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`);
  assert.match(await response.text(), /"pingInterval":7000,/);
  await server.close();
});

for (const [what, [options, expected]] of Object.entries(cases)) {
  test(what, async () => {
    const server = await startServer(options);
    const response = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`);
    const text = await response.text();
    assert.equal(response.status, 500);
    assert.match(JSON.parse(text).message, expected);
    assert.ok(!text.includes("hunter2"));
    await server.close();
  });
}
