// The record while it is moved to the tables of today: users send, read and are erased meanwhile.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test, { after, before } from "node:test";

import { inRoot } from "../scripts/lib/project.mjs";
import { closeAll, connect, contractor, request, sendText, textOf } from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { oldRecord } from "./support/old-record.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const receivers = Array.from({ length: 6 }, (_, index) => `r${index} ü字`);
const key = "0123456789abcdef0123456789abcdef";

let server: Server;
before(async () => {
  server = await startServer({ vars: { API_KEY: key } });
});
after(async () => {
  closeAll();
  await server.close();
});

/** Moves a batch of `rows` messages, as `npm run migrate-record` does. Returns where the next one begins. */
async function moveBatch(rows: number): Promise<string | null> {
  const sql = readFileSync(inRoot("scripts", "lib", "move-record.sql"), "utf8");
  const statements = sql
    .replace(/^--.*$/gm, "")
    .replaceAll("10000", String(rows))
    .split(";");
  const prepared = statements.filter((text) => text.trim()).map((text) => server.db.prepare(text));
  const results = await server.db.batch<{ next: string | null }>(prepared);
  return results.at(-1)?.results[0].next ?? null;
}

const textsOf = async (socket: Client, conversationId: string) => {
  const { items } = await request(socket, "get_messages", { conversationId });
  return items.map(textOf).reverse();
};

test("nothing is lost or doubled, whenever it stops", async () => {
  for (const id of ["contractor1", ...receivers])
    await server.addUser(id, id === "contractor1" ? "contractor" : "customer");
  const { statements, conversations } = oldRecord("contractor1", receivers, ["first", "second 🙂"]);
  await server.db.batch(statements.map((text) => server.db.prepare(text)));
  const sender = await contractor(server);
  await moveBatch(3);
  const count = (from: string) =>
    server.db.prepare(`SELECT count(*) AS n FROM ${from}`).first<number>("n");
  assert.deepEqual([await count("old_messages"), await count("messages")], [9, 3]);

  // Everyone can be written to, and can read what there is.
  const { results } = await sendText(sender, receivers, "meanwhile");
  assert.deepEqual(
    results.map((result) => result.conversationId),
    receivers.map((id) => conversations.get(id)),
  );
  for (const id of conversations.values()) {
    assert.equal((await textsOf(sender, id)).at(-1), "meanwhile");
  }
  // An erasure takes what has not been moved, too.
  const last = [...conversations].sort(([, one], [, other]) => (one < other ? -1 : 1)).at(-1);
  const [erased = ""] = last ?? [];
  const response = await fetch(`${server.url}/v1/users/${encodeURIComponent(erased)}`, {
    method: "DELETE",
    headers: { Authorization: `Bearer ${key}` },
  });
  assert.equal(response.status, 204);
  assert.deepEqual([await count("old_messages"), await count("messages")], [7, 8]);

  let batches = 0;
  while ((await moveBatch(3)) !== null) batches += 1;
  assert.equal(batches, 2);
  conversations.delete(erased);
  for (const [userId, id] of conversations) {
    const receiver = await connect(server, userId);
    for (const socket of [sender, receiver])
      assert.deepEqual(await textsOf(socket, id), ["first", "second 🙂", "meanwhile"]);
    receiver.close();
  }
  // One content for each of the three sends.
  assert.equal(await count("contents"), 3);
});
