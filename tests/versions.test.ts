// During a deploy, two versions run for minutes: objects understand messages from the Worker and the objects
// of the previous version, which puts them in URLs.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { closeAll, connect, next, request, until } from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

let server: Server;
before(async () => {
  server = await startServer();
});
afterEach(closeAll);
after(() => server.close());

/** Sends a message in the previous version's format to a user's object. */
async function asBefore(userId: string, path: string, init?: { method: string; body: string }) {
  const { USER } = await server.worker.getEnv();
  return USER.getByName(userId).fetch(`https://object${path}`, init);
}

test("presence queries, with the asking user in the URL", async () => {
  const socket = await connect(server, "watched");
  await until(async () => {
    const presence = await (await asBefore("watched", "/presence")).json();
    return (presence as { connectionCount: number }).connectionCount === 1;
  }, "online");
  const watching = await (await asBefore("watched", "/watch?by=watcher")).json();
  assert.equal((watching as { connectionCount: number }).connectionCount, 1);
  await request(socket, "block_user", { userId: "watcher" });
  const blocked = await (await asBefore("watched", "/presence?by=watcher")).json();
  assert.deepEqual(blocked, { connectionCount: 0, lastSeen: null });
});

test("a delivery, with the receiver in the URL", async () => {
  const socket = await connect(server, "receiver");
  const arrived = next(socket, "new_message");
  const letter = {
    sender: { id: "sender", name: null, avatarUrl: null },
    messageType: "text",
    content: { text: "hello" },
    jobId: null,
    createdAt: Date.now(),
  };
  const query = "receiver=receiver&conversation=k&message=m&repeat=0";
  const init = { method: "POST", body: JSON.stringify(letter) };
  const answer = await asBefore("receiver", `/deliver?${query}`, init);
  assert.deepEqual(await answer.json(), { delivered: true });
  const [message] = await arrived;
  assert.deepEqual([message.messageId, message.receiverId], ["m", "receiver"]);
});

test("unknown messages are refused", async () => {
  for (const path of ["/later", "/watch", "/deliver?message=m", "/connect?m=7"]) {
    const init = { method: "POST", body: "{}" };
    assert.equal((await asBefore("anybody", path, init)).status, 400, path);
  }
});
