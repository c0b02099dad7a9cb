// JURISDICTION is for ever: the ids of the objects depend on it.

import assert from "node:assert/strict";
import test from "node:test";

import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const API_KEY = "a key for the backend, of 40 characters..";
const headers = { Authorization: `Bearer ${API_KEY}` };

const QUERY = "/socket.io/?EIO=4&transport=polling";

async function answerOf(server: Server, path: string): Promise<[status: number, body: any]> {
  const response = await fetch(server.url + path, { headers });
  const text = await response.text();
  return [response.status, text.startsWith("{") ? JSON.parse(text) : text];
}

const remembered = (server: Server) =>
  server.db.prepare("SELECT jurisdiction FROM deployment").first("jurisdiction");

test("the first request remembers it, and a later change is refused", async () => {
  const first = await startServer({ vars: { API_KEY } });
  try {
    assert.equal(await remembered(first), null);
    assert.equal((await answerOf(first, QUERY))[0], 200);
    assert.equal(await remembered(first), "none");
  } finally {
    await first.close();
  }

  const changed = await startServer({ vars: { API_KEY } });
  try {
    await changed.db.prepare("INSERT INTO deployment (id, jurisdiction) VALUES (1, 'eu')").run();
    const message =
      'Configuration error: JURISDICTION: it is "none", but the objects were made with "eu", and nobody ' +
      "finds them with another value: set it back, or make a new deployment with a new database";
    for (const path of [QUERY, "/v1/users/a/status"]) {
      assert.deepEqual(await answerOf(changed, path), [500, { message }], path);
    }
    // Once per isolate: nothing changes until the next deploy.
    await changed.db.prepare("UPDATE deployment SET jurisdiction = 'none'").run();
    assert.equal((await answerOf(changed, QUERY))[0], 500);
    assert.equal((await answerOf(changed, "/healthz"))[1].objects, "failing");
  } finally {
    await changed.close();
  }
});

test("every object is in the jurisdiction", async () => {
  const server = await startServer({ vars: { API_KEY, JURISDICTION: "eu" } });
  try {
    // The local runtime has none, and says so when it is asked for an object there.
    const [status, { d1, objects }] = await answerOf(server, "/healthz");
    assert.deepEqual([status, d1, objects], [503, "ok", "failing"]);
    assert.equal(await remembered(server), "eu");
    const handshake = await fetch(`${server.url}${QUERY}&token=${server.token("a")}`);
    assert.equal(handshake.status, 503);
  } finally {
    await server.close();
  }
});

test("without the table, everything works", async () => {
  const server = await startServer({ vars: { API_KEY } });
  try {
    await server.db.prepare("DROP TABLE deployment").run();
    const [status, { objects }] = await answerOf(server, "/healthz");
    assert.deepEqual([status, objects], [200, "ok"]);
  } finally {
    await server.close();
  }
});
