// Limits: a client over a limit is told so and when to retry; only continued flooding closes the connection.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";
import type { ErrorReport } from "switchboard-events";

import {
  ackOf,
  closeAll,
  connect,
  contractor,
  directly,
  next,
  refusal,
  request,
  sendText,
  sendTo,
  statusOf,
  textTo,
  until,
} from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

let server: Server;
before(async () => {
  // The deployed default, which the test server otherwise switches off.
  server = await startServer({ vars: { MAX_BULK_SENDS_PER_MINUTE: "5" } });
  for (const id of ["a", "b"]) await server.addUser(id);
});
afterEach(closeAll);
after(() => server.close());

test("bulk sends: five a minute, counted across evictions; repeats do not count", async () => {
  const sender = await contractor(server);
  const key = { idempotencyKey: "k" };
  const first = await sendText(sender, ["a"], "0", key);
  for (let send = 1; send < 5; send++) {
    assert.equal((await sendText(sender, ["a"], `${send}`)).totalSent, 1);
  }
  const check = async (socket: Client) => {
    const heard = next(socket, "error");
    const error = await refusal(socket, "send_bulk_message", textTo(["a"], "too many"));
    assert.equal(error.code, "rate_limited");
    assert.equal(error.message, "Too many bulk messages, please wait");
    const pause = error.retryAfterMs ?? 0;
    assert.ok(pause > 0 && pause <= 12_000);
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
  // Other users and direct messages are not affected.
  const other = await contractor(server, "contractor2");
  assert.equal((await sendText(other, ["a"], "x")).totalSent, 1);
  assert.ok((await sendTo(again, { receiverId: "a" }, "x")).messageId);
});

test("events: a burst of a hundred; only a client that keeps flooding is closed", async () => {
  const socket = await connect(server, "flood", { transports: ["websocket"] });
  const status = { userId: "a" };
  const refused: ErrorReport[] = [];
  socket.on("error", (error) => refused.push(error));
  const ask = (count: number, from = socket) =>
    Promise.all(Array.from({ length: count }, () => ackOf(from, "get_online_status", status)));
  const pauses = (acks: Awaited<ReturnType<typeof ask>>) =>
    acks.flatMap((ack) =>
      "error" in ack && ack.error.code === "rate_limited" ? [ack.error.retryAfterMs ?? 0] : [],
    );
  const limited = pauses(await ask(150));
  assert.ok(limited.length > 0 && limited.length <= 50, `${limited.length} of 150 refused`);
  assert.ok(limited.every((pause) => pause > 0));
  await until(() => refused.length === limited.length, "the error events");
  assert.equal(socket.connected, true);
  await new Promise((resolve) => setTimeout(resolve, limited.at(-1)));
  assert.equal((await request(socket, "get_online_status", status)).userId, "a");

  // The count survives hibernation: it is in the socket's attachment.
  const other = await connect(server, "flood2", { transports: ["websocket"] });
  await ask(100, other);
  await server.evict("flood2", "hibernate");
  assert.ok(pauses(await ask(50, other)).length > 0);

  const closed = next(socket, "disconnect");
  for (let event = 0; event < 2_000; event++) socket.emit("get_online_status", status);
  const [reason, details] = await closed;
  assert.equal(reason, "transport close");
  assert.equal(details.context.code, 1008);
});

test("connections: twenty, and another one after one has closed", async () => {
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
  const to = { receiverId: "b" };
  assert.ok((await sendTo(socket, to, "字".repeat(10_000))).messageId);
  assert.deepEqual(await refusal(socket, "send_message", directly(to, "x".repeat(10_001))), {
    code: "too_many",
    message: "content.text must not be longer than 10000 characters",
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
    // None of these is refused.
    await Promise.all(Array.from({ length: 300 }, () => statusOf(sender, "a")));
    const sockets = Array.from({ length: 21 }, () =>
      connect(free, "a", { transports: ["websocket"] }),
    );
    assert.equal((await Promise.all(sockets)).length, 21);
  } finally {
    closeAll();
    await free.close();
  }
});
