// Limits: over them one is told so and when to try again; only flooding on closes.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import {
  closeAll,
  connect,
  contractor,
  next,
  request,
  sendText,
  until,
} from "./support/clients.mjs";
import { startServer } from "./support/server.mjs";

let server;
before(async () => {
  // As it is deployed: nothing is switched off for the tests.
  server = await startServer({ vars: { MAX_BULK_SENDS_PER_MINUTE: "5" } });
  for (const id of ["a", "b"]) await server.addUser(id);
});
afterEach(closeAll);
after(() => server.close());

test("bulk sends: five a minute, counted through eviction; a repeat is none", async () => {
  const sender = await contractor(server);
  const key = { idempotencyKey: "k" };
  const first = await sendText(sender, ["a"], "0", key);
  for (let send = 1; send < 5; send++) {
    assert.equal((await sendText(sender, ["a"], `${send}`)).totalSent, 1);
  }
  const check = async (socket) => {
    const heard = next(socket, "error");
    const { error } = await sendText(socket, ["a"], "too many");
    assert.equal(error.code, "rate_limited");
    assert.equal(error.message, "Too many bulk messages, please wait");
    assert.ok(error.retryAfterMs > 0 && error.retryAfterMs <= 12_000);
    const [{ retryAfterMs, ...event }] = await heard;
    assert.equal(retryAfterMs, error.retryAfterMs);
    const { code, message } = error;
    assert.deepEqual(event, { code, message, event: "send_bulk_message" });
  };
  await check(sender);
  assert.deepEqual(await sendText(sender, ["a"], "0", key), first);
  await server.evict("contractor1", "close");
  const again = await contractor(server);
  await check(again);
  // Others are not concerned, nor are messages to one.
  const other = await contractor(server, "contractor2");
  assert.equal((await sendText(other, ["a"], "x")).totalSent, 1);
  const direct = { receiverId: "a", messageType: "text", content: { text: "x" } };
  assert.ok((await request(again, "send_message", direct)).messageId);
});

test("events: a burst of a hundred; who floods on is closed, who waits is not", async () => {
  const socket = await connect(server, "flood", { transports: ["websocket"] });
  const status = { userId: "a" };
  const refused = [];
  socket.on("error", (error) => refused.push(error));
  const ask = (count, from = socket) =>
    Promise.all(Array.from({ length: count }, () => request(from, "get_online_status", status)));
  const answers = await ask(150);
  const limited = answers.filter(({ error }) => error?.code === "rate_limited");
  assert.ok(limited.length > 0 && limited.length <= 50, `${limited.length} of 150 refused`);
  assert.ok(limited.every(({ error }) => error.retryAfterMs > 0));
  await until(() => refused.length === limited.length, "the error events");
  assert.equal(socket.connected, true);
  const wait = () =>
    new Promise((resolve) => setTimeout(resolve, limited.at(-1).error.retryAfterMs));
  await wait();
  assert.equal((await request(socket, "get_online_status", status)).userId, "a");

  // The count is in the attachment.
  const other = await connect(server, "flood2", { transports: ["websocket"] });
  await ask(100, other);
  await server.evict("flood2", "hibernate");
  const after = await ask(50, other);
  assert.ok(after.some(({ error }) => error?.code === "rate_limited"));

  const closed = next(socket, "disconnect");
  for (let event = 0; event < 2_000; event++) socket.emit("get_online_status", status);
  const [reason, details] = await closed;
  assert.equal(reason, "transport close");
  assert.equal(details.context.code, 1008);
});

test("connections: twenty, and one more when one has gone", async () => {
  const sockets = await Promise.all(
    Array.from({ length: 20 }, () => connect(server, "many", { transports: ["websocket"] })),
  );
  const refused = await connect(server, "many").catch((error) => error);
  assert.equal(refused.message, "You must not have more than 20 connections");
  assert.deepEqual(refused.data, { code: "too_many" });
  sockets[0].close();
  await until(
    () => connect(server, "many").catch(() => null),
    "a connection in the place of the closed one",
  );
});

test("texts: ten thousand characters", async () => {
  const socket = await connect(server, "a");
  const send = (text) =>
    request(socket, "send_message", { receiverId: "b", messageType: "text", content: { text } });
  assert.ok((await send("字".repeat(10_000))).messageId);
  assert.deepEqual(await send("x".repeat(10_001)), {
    error: { code: "too_many", message: "content.text must not be longer than 10000 characters" },
  });
});

test("0 switches a limit off", async () => {
  const free = await startServer({
    vars: {
      MAX_BULK_SENDS_PER_MINUTE: "0",
      MAX_EVENTS_PER_SECOND: "0",
      MAX_CONNECTIONS_PER_USER: "0",
      MAX_TEXT_CHARS: "0",
      MAX_STATUS_USERS: "0",
      MAX_SUBSCRIPTIONS: "0",
      MAX_BULK_RECIPIENTS: "0",
    },
  });
  try {
    await free.addUser("a");
    const sender = await contractor(free);
    for (let send = 0; send < 8; send++) {
      assert.equal((await sendText(sender, ["a"], "x".repeat(20_000))).totalSent, 1);
    }
    const ids = Array.from({ length: 501 }, (_, index) => `u${index}`);
    const statuses = await request(sender, "get_bulk_online_status", { userIds: ids });
    assert.equal(Object.keys(statuses).length, 501);
    const answers = await Promise.all(
      Array.from({ length: 300 }, () => request(sender, "get_online_status", { userId: "a" })),
    );
    assert.ok(answers.every(({ error }) => !error));
    const sockets = Array.from({ length: 21 }, () =>
      connect(free, "a", { transports: ["websocket"] }),
    );
    assert.equal((await Promise.all(sockets)).length, 21);
  } finally {
    closeAll();
    await free.close();
  }
});
