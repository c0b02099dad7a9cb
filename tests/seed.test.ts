// The snippets from the guide of the server that this one replaces, verbatim, over every transport.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";
import type { Message } from "switchboard-events";

import {
  closeAll,
  connect,
  contractor,
  next,
  transportSettings,
  until,
  upgraded,
} from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/;

let server: Server;
before(async () => {
  server = await startServer();
  for (const id of ["customer1", "customer2", "customer3"]) await server.addUser(id);
});
afterEach(closeAll);
after(() => server.close());

for (const [name, options] of Object.entries(transportSettings)) {
  test(`single status, ${name}`, async () => {
    const socket = await connect(server, `single ${name}`, options);
    const user = await connect(server, "user456", options);
    await connect(server, "user456", options);

    socket.emit("get_online_status", { userId: "user456" });

    const [data] = await next(socket, "user_online_status");
    const { lastSeen, ...rest } = data;
    assert.deepEqual(rest, { userId: "user456", isOnline: true, connectionCount: 2 });
    assert.match(lastSeen ?? "", ISO);

    if (name === "default") {
      await upgraded(user);
      assert.equal(user.io.engine.transport.name, "websocket");
    }
  });

  test(`bulk status, ${name}`, async () => {
    const socket = await connect(server, "user1", options);
    await connect(server, "user3", options);

    socket.emit("get_bulk_online_status", {
      userIds: ["user1", "user2", "user3"],
    });

    const [statusMap] = await next(socket, "bulk_online_status");
    assert.deepEqual(Object.keys(statusMap), ["user1", "user2", "user3"]);
    assert.equal(statusMap.user1.isOnline, true);
    assert.match(statusMap.user1.lastSeen ?? "", ISO);
    assert.deepEqual(statusMap.user2, { isOnline: false, lastSeen: null });
    assert.equal(statusMap.user3.isOnline, true);
    assert.deepEqual(Object.keys(statusMap.user3), ["isOnline", "lastSeen"]);
  });

  test(`bulk message, ${name}`, async () => {
    const socket = await contractor(server);
    const customer = await connect(server, "customer1", options);
    // A message that crossed the disconnect at the end of the previous test may be repeated before this one.
    const messages: [message: Message, offset: string][] = [];
    customer.on("new_message", (...args) => messages.push(args));

    socket.emit("send_bulk_message", {
      receiverIds: ["customer1", "customer2", "customer3"],
      messageType: "text",
      content: {
        text: "Hi! I'm interested in your job posting.",
      },
      jobId: "job123", // Optional
    });

    const [result] = await next(socket, "bulk_message_sent");
    assert.equal(result.totalSent, 3);
    assert.equal(result.totalFailed, 0);
    assert.deepEqual(
      result.results.map((r) => r.receiverId),
      ["customer1", "customer2", "customer3"],
    );
    for (const { conversationId, messageId, success } of result.results) {
      assert.match(conversationId, UUID);
      assert.match(messageId, UUID);
      assert.equal(success, true);
    }
    assert.deepEqual(result.errors, []);

    const { messageId } = result.results[0];
    const isIt = ([message]: [Message, string]) => message.messageId === messageId;
    const [{ timestamp, ...received }, offset] = await until(
      () => messages.find(isIt),
      "the message",
    );
    assert.match(timestamp, ISO);
    assert.match(offset, /^\d+$/);
    assert.deepEqual(received, {
      messageId,
      conversationId: result.results[0].conversationId,
      senderId: "contractor1",
      sender: { id: "contractor1", name: "Contractor One", avatarUrl: null },
      receiverId: "customer1",
      messageType: "text",
      content: { text: "Hi! I'm interested in your job posting." },
      jobId: "job123",
    });
  });
}
