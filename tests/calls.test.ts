// Remote calls: what the Worker and the objects say to a User object.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { closeAll, connect, next, request } from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

let server: Server;
before(async () => {
  server = await startServer();
});
afterEach(closeAll);
after(() => server.close());

async function call(userId: string, path: string, message: unknown, attachment?: object) {
  const { USER } = await server.worker.getEnv();
  const object = USER.getByName(userId) as unknown as {
    call(path: string, message: string, attachment?: string): Promise<string>;
  };
  const attached = attachment && JSON.stringify(attachment);
  return await object.call(path, JSON.stringify(message), attached);
}

const letter = (wantsReceipt: boolean) => ({
  sender: { id: "sender", name: null, avatarUrl: null },
  messageType: "text",
  content: { text: "hello" },
  jobId: null,
  createdAt: Date.now(),
  wantsReceipt,
});

test("presence, as the one who asks may see it", async () => {
  const socket = await connect(server, "watched");
  const presence = async (by: string) => JSON.parse(await call("watched", "/presence", { by }));
  assert.equal((await presence("watcher")).connectionCount, 1);
  await request(socket, "block_user", { userId: "watcher" });
  assert.deepEqual(await presence("watcher"), { connectionCount: 0, lastSeen: null });
  assert.equal((await presence("somebody else")).connectionCount, 1);
});

for (const wantsReceipt of [false, true]) {
  test(`a delivery is taken once, ${wantsReceipt ? "with" : "without"} a receipt`, async () => {
    const socket = await connect(server, `receiver-${wantsReceipt}`);
    const arrived = next(socket, "new_message");
    const copy = { conversationId: "k", messageId: "m", isRepeat: false };
    const deliver = (isRepeat: boolean) =>
      call(`receiver-${wantsReceipt}`, "/deliver", { ...copy, isRepeat }, letter(wantsReceipt));
    assert.equal(await deliver(false), '{"delivered":true}');
    assert.equal(await deliver(true), '{"delivered":true}');
    const [message] = await arrived;
    assert.equal(message.messageId, "m");
    await request(socket, "get_online_status", { userId: "anybody" });
    assert.equal(socket.texts.length, 1);
  });
}

test("what is not a message is refused, and changes nothing", async () => {
  const copy = { conversationId: "k", messageId: "m", isRepeat: false };
  const unknown = "!unknown message";
  assert.equal(await call("anybody", "/later", {}), unknown);
  assert.equal(await call("anybody", "/watch", {}), unknown);
  assert.equal(await call("anybody", "/deliver", copy), unknown);
  assert.equal(await call("anybody", "/deliver", copy, { text: "no letter" }), unknown);
  assert.equal(await call("anybody", "/deliver", {}, letter(false)), unknown);
  assert.equal(await call("anybody", "/presence", 7), unknown);
});
