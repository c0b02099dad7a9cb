// A user's backlog never exceeds what a client can receive, however many messages were sent.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import {
  closeAll,
  connect,
  refusal,
  request,
  sendTo,
  statusOf,
  transportSettings,
  until,
} from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const REPLAYED = 20;
const SENT = 3 * REPLAYED;
const text = (index: number) => String(index).padStart(9_000, ".");

let server: Server;
before(async () => {
  server = await startServer({
    // Enough for REPLAYED texts including their envelopes.
    vars: { LOG_REPLAY_BYTES: REPLAYED * 9_400, MAX_EVENTS_PER_SECOND: "0" },
  });
});
afterEach(closeAll);
after(() => server.close());

for (const [name, options] of Object.entries(transportSettings)) {
  test(`the newest part of a backlog arrives in order, and the client stays connected: ${name}`, async () => {
    const userId = `away, ${name}`;
    await server.addUser(userId);
    const sender = await connect(server, "talker");
    for (let index = 0; index < SENT; index++)
      await sendTo(sender, { receiverId: userId }, text(index));

    const receiver = await connect(server, userId, options);
    await until(() => receiver.texts.at(-1) === text(SENT - 1), "the newest one");
    const first = SENT - receiver.texts.length;
    assert.ok(receiver.texts.length >= REPLAYED - 2 && receiver.texts.length <= REPLAYED);
    assert.deepEqual(
      receiver.texts,
      Array.from({ length: receiver.texts.length }, (_, index) => text(first + index)),
    );
    assert.equal((await statusOf(receiver, userId)).connectionCount, 1);

    // Nothing is lost: older messages are in the history.
    const { items } = await request(receiver, "get_conversations", {});
    assert.equal(items[0]?.unreadCount, SENT);
  });
}

test("a message's size is limited, including unknown fields", async () => {
  const sender = await connect(server, "stuffer");
  const content = { text: "short", padding: "x".repeat(70_000) };
  const message = { receiverId: "talker", messageType: "text", content };
  assert.deepEqual(await refusal(sender, "send_message", message), {
    code: "too_many",
    message: "content must not be larger than 65536 bytes",
  });
});
