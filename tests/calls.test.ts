// Remote calls: what the Worker and the objects say to a User object.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { after, afterEach, before } from "node:test";

import { inRoot } from "../scripts/lib/project.mjs";
import { closeAll, connect, next, request, until } from "./support/clients.ts";
import { mainModule } from "./support/main-module.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const folder = mkdtempSync(path.join(tmpdir(), "switchboard-"));

let server: Server;
before(async () => {
  const probe = inRoot("tests", "calls", "probe.js");
  server = await startServer({ dist: path.dirname(mainModule(folder, { probe, wrapper: "" })) });
});
afterEach(closeAll);
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

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

const firstCalls = {
  "a presence query": () => call("sleeper 1", "/presence", {}),
  "a delivery": () => {
    const copy = { conversationId: "k", messageId: "m", isRepeat: false };
    return call("sleeper 2", "/deliver", copy, letter(false));
  },
};
for (const [index, [name, firstCall]] of Object.entries(firstCalls).entries()) {
  test(`${name} needs no promise, even if it is the first call after hibernation`, async () => {
    const promises = async () => {
      const { headers } = await fetch(`${server.url}/healthz`);
      return Number(headers.get("answered-by-promise"));
    };
    const userId = `sleeper ${index + 1}`;
    await connect(server, userId, { transports: ["websocket"] });
    await server.evict(userId, "hibernate");
    const before = await promises();
    assert.match(await firstCall(), /"connectionCount":1|"delivered":true/);
    assert.equal(await promises(), before);
    await call(userId, "/pulse", {});
    assert.equal(await promises(), before + 1);
  });
}

test("what was sent to a user who is erased meanwhile does not arrive", async () => {
  const sentBefore = letter(false);
  assert.equal(await call("erased", "/erase", { userId: "erased" }), "null");
  const deliver = async (messageId: string, attached: object) => {
    const copy = { conversationId: "k", messageId, isRepeat: false };
    assert.equal(await call("erased", "/deliver", copy, attached), '{"delivered":false}');
  };
  await deliver("m1", sentBefore);
  const what = { messageId: "m", conversationId: "k", receiverId: "friend" };
  const heard = await call("erased", "/notify", { kind: "delivered", what });
  assert.equal(heard, '{"isWanted":false}');
  await deliver("m2", { ...letter(false), createdAt: Date.now() + 1, content: { text: "news" } });
  const iat = Math.ceil(Date.now() / 1000) + 1;
  const successor = await connect(server, "erased", { claims: { iat } });
  await until(() => successor.texts.length > 0, "the message to the next user");
  assert.deepEqual(successor.texts, ["news"]);
});

test("a send that waits behind the erasure of its user is refused", async () => {
  const userId = "leaving";
  const act = () =>
    call(userId, "/act", {
      userId,
      event: "send_message",
      payload: { receiverId: "anybody", messageType: "text", content: { text: "too late" } },
    });
  let isErased = false;
  const erasure = call(userId, "/erase", { userId }).then(() => (isErased = true));
  const sends: Promise<string>[] = [];
  while (!isErased) {
    sends.push(act());
    await call(userId, "/pulse", {});
  }
  await erasure;
  const reason = { code: "forbidden", message: "The user has been erased" };
  const refusals = await Promise.all(sends);
  assert.ok(refusals.includes(JSON.stringify({ refused: reason })), refusals.join("\n"));
});

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
