// Bulk messages: stored in one transaction, and delivered to every device now or later.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Message } from "switchboard-events";

import {
  closeAll,
  connect,
  contractor,
  next,
  refusal,
  request,
  sendText,
  statusOf,
  textOf,
  textTo,
  until,
  upgraded,
} from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

let server: Server;
let sender: Client;
before(async () => {
  server = await startServer();
  for (const id of ["a", "b", "c", "blocker"]) await server.addUser(id);
});
afterEach(closeAll);
after(() => server.close());

const offline = (userId: string) =>
  until(async () => !(await statusOf(sender, userId)).isOnline, `${userId} offline`);

test("receivers: online, offline, unknown, repeated, the sender, and a blocker", async () => {
  sender = await contractor(server);
  await server.everywhere("INSERT INTO blocks VALUES ('blocker', 'contractor1', 0)");
  const online = await connect(server, "b");
  const message = next(online, "new_message");
  const receiverIds = ["a", "nobody", "b", "a", "contractor1", "blocker", "c"];
  const result = await sendText(sender, receiverIds, "hello");
  assert.equal(result.totalSent, 3);
  assert.equal(result.totalFailed, 3);
  assert.deepEqual(
    result.results.map(({ receiverId, success, delivered }) => [receiverId, success, delivered]),
    [
      ["a", true, false],
      ["b", true, true],
      ["c", true, false],
    ],
  );
  assert.deepEqual(result.errors, [
    { receiverId: "nobody", error: "Receiver not found" },
    { receiverId: "contractor1", error: "You cannot send a message to yourself" },
    { receiverId: "blocker", error: "Receiver is not accepting messages from you" },
  ]);
  assert.equal((await message)[0].messageId, result.results[1].messageId);

  const stored = await server.everywhere(
    `SELECT c.user_a AS receiverId, hex(message_id) AS messageId, hex(conversation_id) AS conversationId
     FROM messages JOIN conversations AS c USING (conversation_id)`,
  );
  const hex = (id: string) => id.replaceAll("-", "").toUpperCase();
  assert.deepEqual(
    stored.sort((one, other) => (one.messageId < other.messageId ? -1 : 1)),
    result.results.map(({ receiverId, messageId, conversationId }) => ({
      receiverId,
      messageId: hex(messageId),
      conversationId: hex(conversationId),
    })),
  );
  // A database with one of the messages has no content for several.
  const contents = await server.everywhere(
    "SELECT content FROM contents UNION SELECT content FROM messages WHERE content IS NOT NULL",
  );
  for (const { content } of contents) assert.equal(content, '{"text":"hello"}');
});

test("an offline receiver gets it once, on the next connect", async () => {
  sender = await contractor(server);
  await server.addUser("sleeper");
  await sendText(sender, ["sleeper"], "first");
  await sendText(sender, ["sleeper"], "second");
  const socket = await connect(server, "sleeper");
  const { texts } = socket;
  await until(() => texts.length >= 2, "both messages");
  assert.deepEqual(texts, ["first", "second"]);
  // A clean close confirms messages that were sent at least two seconds before. The duration is under test.
  await upgraded(socket);
  await pause(2_300);
  socket.disconnect();
  await offline("sleeper");
  const again = await connect(server, "sleeper");
  const { texts: later } = again;
  await sendText(sender, ["sleeper"], "third");
  await until(() => later.length > 0, "the third message");
  assert.deepEqual(later, ["third"]);
});

test("all devices of a receiver get it, with the offset as the last argument", async () => {
  sender = await contractor(server);
  const devices = await Promise.all([
    connect(server, "a", { transports: ["websocket"] }),
    connect(server, "a", { transports: ["polling"] }),
  ]);
  const isHere = (message: Message) => textOf(message) === "to all devices";
  const all = devices.map(
    (socket) =>
      new Promise<[Message, string]>((resolve) => {
        socket.on("new_message", (...args) => isHere(args[0]) && resolve(args));
      }),
  );
  await sendText(sender, ["a"], "to all devices");
  const [one, other] = await Promise.all(all);
  assert.deepEqual(one, other);
  assert.equal(one.length, 2);
  assert.match(one[1], /^\d+$/);
});

test("the role in the database decides, whatever the token claims", async () => {
  const forbidden = { code: "forbidden", message: "Only contractors can send bulk messages" };
  const refused = (socket: Client) => refusal(socket, "send_bulk_message", textTo(["b"], "no"));
  const before = await server.count("messages");
  const customer = await connect(server, "a");
  assert.deepEqual(await refused(customer), forbidden);
  const pretender = await connect(server, "a", { claims: { role: "contractor" } });
  assert.deepEqual(await refused(pretender), forbidden);
  assert.equal(await server.count("messages"), before);

  await server.everywhere("UPDATE users SET role = 'contractor' WHERE user_id = 'c'");
  const promoted = await connect(server, "c", { claims: { role: "customer" } });
  assert.equal((await sendText(promoted, ["b"], "yes")).totalSent, 1);
});

test("images and files", async () => {
  sender = await contractor(server);
  const socket = await connect(server, "b");
  for (const messageType of ["image", "file"] as const) {
    const got = new Promise<Message>((resolve) => {
      socket.on(
        "new_message",
        (message) => message.messageType === messageType && resolve(message),
      );
    });
    const content = { fileUrl: "https://files.example/x", fileName: "x", fileSize: 7, more: [1] };
    await request(sender, "send_bulk_message", { receiverIds: ["b"], messageType, content });
    assert.deepEqual((await got).content, content);
  }
});

test("three hundred receivers are allowed, one more than the limit is not", async () => {
  sender = await contractor(server);
  const ids = Array.from({ length: 300 }, (_, index) => `crowd${index}`);
  const sql = "INSERT INTO users (user_id, created_at) SELECT value, 0 FROM json_each(?)";
  await server.everywhere(sql, JSON.stringify(ids));
  const online = await connect(server, "crowd299");
  const message = next(online, "new_message");
  const result = await sendText(sender, ids, "to the crowd");
  assert.equal(result.totalSent, 300);
  assert.deepEqual(
    result.results.map(({ receiverId }) => receiverId),
    ids,
  );
  assert.equal((await message)[0].messageId, result.results[299].messageId);

  const tooMany = Array.from({ length: 1_001 }, (_, index) => `crowd${index}`);
  assert.deepEqual(await refusal(sender, "send_bulk_message", textTo(tooMany, "no")), {
    code: "too_many",
    message: "receiverIds must not name more than 1000 users",
  });
});
