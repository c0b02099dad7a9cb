// A value that is missing or wrong is named, on the first request.

import assert from "node:assert/strict";
import test from "node:test";

import { startServer } from "./support/server.ts";

const cases: Record<string, [options: Parameters<typeof startServer>[0], expected: RegExp]> = {
  "a bad number": [{ vars: { PING_INTERVAL_MS: "soon" } }, /PING_INTERVAL_MS: "soon" is not a/],
  "a bad origin": [
    { vars: { ALLOWED_ORIGINS: "shop.example" } },
    /ALLOWED_ORIGINS: "shop.example"/,
  ],
  "a secret that is too short": [
    { secrets: { JWT_SECRET: "hunter2" } },
    /JWT_SECRET: the secret is shorter than 32 bytes/,
  ],
  "an empty secret": [{ secrets: { JWT_SECRET: "" } }, /JWT_SECRET: the secret is not set/],
};

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
