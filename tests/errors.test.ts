// Client errors: what the client is told, and that no other client is affected.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import {
  closeAll,
  connect,
  contractor,
  next,
  rawSocket,
  refusal,
  request,
  sendText,
  statusOf,
  textOf,
  textTo,
  until,
} from "./support/clients.ts";
import { Wire, openSession, openWire, poll, post } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PATH = "/socket.io";

let server: Server;
before(async () => {
  server = await startServer();
  await server.addUser("a");
});
afterEach(closeAll);
after(() => server.close());

const userIdRule = "must be a string of 1 to 128 characters, without control characters";
const message = { receiverIds: ["a"], messageType: "text", content: { text: "x" } };
const cases: [event: string, payload: unknown, message: string][] = [
  ["get_online_status", {}, `userId ${userIdRule}`],
  ["get_online_status", { userId: 7 }, `userId ${userIdRule}`],
  ["get_online_status", "a", "The payload must be an object"],
  ["get_online_status", undefined, "The payload must be an object"],
  ["get_bulk_online_status", { userIds: [] }, "userIds must be a non-empty array"],
  ["get_bulk_online_status", { userIds: ["a", null] }, `userIds[1] ${userIdRule}`],
  ["send_bulk_message", {}, "receiverIds must be a non-empty array"],
  ["send_bulk_message", { ...message, receiverIds: "a" }, "receiverIds must be a non-empty array"],
  ["send_bulk_message", { receiverIds: ["a"] }, "Missing required fields"],
  [
    "send_bulk_message",
    { ...message, messageType: "video" },
    'messageType must be "text", "image" or "file"',
  ],
  [
    "send_bulk_message",
    { ...message, content: { text: 7 } },
    "content.text must be a non-empty string",
  ],
  ["send_bulk_message", { ...message, jobId: 7 }, "jobId must be a string of 1 to 128 characters"],
];

for (const [event, payload, text] of cases) {
  test(`${event} ${JSON.stringify(payload)}`, async () => {
    const socket = await contractor(server);
    const error = next(socket, "error");
    assert.deepEqual(await refusal(socket, event, payload), {
      code: "invalid_payload",
      message: text,
    });
    assert.deepEqual(await error, [{ code: "invalid_payload", message: text, event }]);
  });
}

test("an unknown event", async () => {
  const socket = await connect(server, "a");
  socket.emit("nonsense" as "block_user", { userId: "a" });
  assert.deepEqual(await next(socket, "error"), [
    { code: "unknown_event", message: 'There is no event "nonsense"', event: "nonsense" },
  ]);
});

test("a binary payload", async () => {
  const socket = await connect(server, "a");
  socket.emit("get_online_status", { userId: Buffer.from([1]) as unknown as string });
  assert.equal((await next(socket, "error"))[0].message, "The payload must not hold binary data");
});

test("another namespace", async () => {
  const wire = new Wire(server, PATH);
  await wire.next();
  wire.send("40/admin,");
  assert.equal(await wire.next(), '44/admin,{"message":"Invalid namespace"}');
  await wire.close();
});

const breaking = ["4x", '42["disconnect"]', "40", '42["a"', "9", "452-", "2", '42/admin,["a"]'];
for (const frame of breaking) {
  test(`${frame} closes its connection and no other`, async () => {
    const bystander = await connect(server, "a");
    const socket = await connect(server, "a", { transports: ["websocket"] });
    const gone = next(socket, "disconnect");
    rawSocket(socket).send(frame);
    assert.equal((await gone)[0], "transport close");
    assert.equal((await statusOf(bystander, "a")).connectionCount, 1);
    assert.equal(bystander.connected, true);
  });
}

test("an event before the CONNECT", async () => {
  const wire = new Wire(server, PATH);
  await wire.next();
  wire.send('42["get_online_status",{"userId":"a"}]');
  await wire.closed;
});

test("a body over the limit ends its session, as an oversized frame ends a connection", async () => {
  const sid = await openSession(server, PATH);
  await post(server, PATH, sid, `40${JSON.stringify({ token: server.token("too-much") })}`);
  assert.match((await poll(server, PATH, sid))[1], /^40\{/);
  assert.equal((await post(server, PATH, sid, `4${"x".repeat(1_000_000)}`))[0], 413);
  assert.equal((await poll(server, PATH, sid))[0], 400);
  const observer = await connect(server, "observer");
  await until(
    async () => !(await statusOf(observer, "too-much")).isOnline,
    "the user to be offline for others",
  );
});

test("too many refusals before authentication end the connection", async () => {
  const refused = "40/admin,";
  const wire = await openWire(server, PATH);
  wire.send(...Array.from({ length: 11 }, () => refused));
  assert.equal((await wire.closed).code, 1008);

  const sid = await openSession(server, PATH);
  await post(server, PATH, sid, Array.from({ length: 11 }, () => refused).join("\x1e"));
  // The client gets the last refusal, too, and then the close.
  const refusals = await poll(server, PATH, sid);
  assert.equal(String(refusals[1]).split("\x1e").length, 11);
  assert.deepEqual(await poll(server, PATH, sid), [200, "1"]);
  assert.equal((await poll(server, PATH, sid))[0], 400);
});

test("a user who connects while the database fails is added once it recovers", async () => {
  await server.addUser("early-reader");
  const hide = (name: string, to: string) =>
    server.db.prepare(`ALTER TABLE ${name} RENAME TO ${to}`).run();
  await hide("users", "hidden");
  const sender = await contractor(server, "early-contractor");
  assert.equal(
    (await refusal(sender, "send_bulk_message", textTo(["early-reader"], "x"))).code,
    "unavailable",
  );
  await hide("hidden", "users");
  const result = await sendText(sender, ["early-reader"], "and now");
  assert.equal(result.totalSent, 1);
});

test("if the database fails, the sender is told, nothing is stored, and the next send works", async () => {
  const sender = await contractor(server);
  const receiver = await connect(server, "a");
  const rows = (table: string) => server.db.prepare(`SELECT count(*) AS n FROM ${table}`).first();
  const before = [await rows("messages"), await rows("conversations")];
  await server.db.prepare("ALTER TABLE messages RENAME TO hidden").run();
  const error = next(sender, "error");
  assert.deepEqual(await refusal(sender, "send_bulk_message", textTo(["a"], "lost")), {
    code: "unavailable",
    message: "The message could not be stored, please try again",
  });
  assert.equal((await error)[0].event, "send_bulk_message");
  await server.db.prepare("ALTER TABLE hidden RENAME TO messages").run();
  assert.deepEqual([await rows("messages"), await rows("conversations")], before);

  const got = next(receiver, "new_message");
  const result = await sendText(sender, ["a"], "found");
  assert.equal(result.results[0].delivered, true);
  assert.equal(textOf((await got)[0]), "found");
  assert.deepEqual(receiver.texts, ["found"]);
});
