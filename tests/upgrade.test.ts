// The upgrade from polling to WebSocket neither loses nor repeats packets, in either direction.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import {
  closeAll,
  connect,
  contractor,
  request,
  sendText,
  until,
  upgraded,
} from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const ROUNDS = 8;
const MESSAGES = 25;

let server: Server;
before(async () => {
  // The rounds send faster than the default limit allows.
  server = await startServer({ vars: { MAX_EVENTS_PER_SECOND: "0" } });
});
afterEach(closeAll);
after(() => server.close());

test("messages that arrive during the upgrade", async () => {
  const sender = await contractor(server);
  const texts = Array.from({ length: MESSAGES }, (_, index) => `message ${index}`);
  for (let round = 0; round < ROUNDS; round++) {
    const userId = `receiver${round}`;
    await server.addUser(userId);
    // They are sent before, during and after the client's connect and upgrade.
    const sends = (async () => {
      for (const text of texts) await sendText(sender, [userId], text);
    })();
    const socket = await connect(server, userId);
    await Promise.all([sends, upgraded(socket)]);
    await until(() => socket.texts.length >= MESSAGES, `all messages in round ${round}`);
    assert.deepEqual(socket.texts, texts);
    assert.equal(socket.io.engine.transport.name, "websocket");
  }
});

test("requests sent during the upgrade are each answered once, in order", async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const socket = await connect(server, `asker${round}`);
    const replies: string[] = [];
    socket.on("user_online_status", ({ userId }) => replies.push(userId));
    const ids = Array.from({ length: MESSAGES }, (_, index) => `user${index}`);
    const acks = [];
    for (const userId of ids) {
      acks.push(request(socket, "get_online_status", { userId }));
      // Spread the requests over the upgrade.
      await new Promise(setImmediate);
    }
    const acked = (await Promise.all(acks)).map(({ userId }) => userId);
    assert.deepEqual(acked, ids);
    await upgraded(socket);
    assert.deepEqual([...replies].sort(), [...ids].sort());
  }
});
