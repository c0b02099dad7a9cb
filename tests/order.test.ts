// One client's events are processed in the order in which they were sent, even while it connects or upgrades,
// when the server briefly holds frames back.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { closeAll, connect, sendTo, until, upgraded } from "./support/clients.ts";
import { Wire, openSession, openWire, poll, post } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PATH = "/socket.io";
const ROUNDS = 8;
const MESSAGES = 40;

let server: Server;
before(async () => {
  // The rounds send faster than the default limit allows.
  server = await startServer({ vars: { MAX_EVENTS_PER_SECOND: "0" } });
});
afterEach(closeAll);
after(() => server.close());

const texts = Array.from({ length: MESSAGES }, (_, index) => `message ${index}`);

test("messages sent during an upgrade", async () => {
  const receiver = await connect(server, "listener");
  for (let round = 0; round < ROUNDS; round++) {
    receiver.texts.length = 0;
    const sender = await connect(server, `sender${round}`);
    const sends = [];
    for (const text of texts) {
      sends.push(sendTo(sender, { receiverId: "listener" }, text));
      // Spread the messages over the upgrade.
      await new Promise(setImmediate);
    }
    await Promise.all([...sends, upgraded(sender)]);
    await until(() => receiver.texts.length >= MESSAGES, `all messages in round ${round}`);
    assert.deepEqual(receiver.texts, texts);
    sender.close();
  }
});

for (const [moment, begin] of Object.entries({
  // Frames are held back while a user's first CONNECT waits for D1 ...
  "the first CONNECT": async (userId: string) => {
    const wire = await openWire(server, PATH);
    return { wire, frame: connectOf(userId) };
  },
  // ... and while the session moves to the WebSocket.
  "the upgrade": async (userId: string) => {
    const sid = await openSession(server, PATH);
    await post(server, PATH, sid, connectOf(userId));
    await poll(server, PATH, sid);
    const wire = new Wire(server, PATH, sid);
    await wire.opened;
    wire.send("2probe");
    await wire.next();
    return { wire, frame: "5" };
  },
})) {
  test(`messages sent immediately after ${moment}, and later ones`, async () => {
    const receiver = await connect(server, "patient");
    for (let round = 0; round < ROUNDS; round++) {
      receiver.texts.length = 0;
      const { wire, frame } = await begin(`${moment} ${round}`);
      wire.send(frame, ...texts.slice(0, MESSAGES / 2).map(eventOf));
      for (const text of texts.slice(MESSAGES / 2)) {
        // By now some of the first messages are being processed and others are still held back.
        await new Promise(setImmediate);
        wire.send(eventOf(text));
      }
      await until(() => receiver.texts.length >= MESSAGES, `all messages in round ${round}`);
      assert.deepEqual(receiver.texts, texts);
      await wire.close();
    }
  });
}

const connectOf = (userId: string) => `40${JSON.stringify({ token: server.token(userId) })}`;

function eventOf(text: string) {
  const message = { receiverId: "patient", messageType: "text", content: { text } };
  return `42${JSON.stringify(["send_message", message])}`;
}
