// How much is unread: the same on every device, and what the list of conversations says.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { inRoot } from "../scripts/lib/project.mjs";
import { API_KEY, callApi } from "./support/api.ts";
import {
  closeAll,
  connect,
  contractor,
  next,
  optionsOf,
  rawSocket,
  record,
  request,
  sendText,
  sendTo,
  textTo,
  until,
  ways,
} from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PAUSE = 1_500;

let server: Server;
let slow: DevServer;
before(async () => {
  server = await startServer({ vars: { API_KEY } });
  const wrapper = inRoot("tests", "support", "object-rows.js");
  slow = await createDevServer({ UNREAD_TOTAL_MS: PAUSE }, { wrapper });
  await slow.start();
});
afterEach(closeAll);
after(async () => {
  await slow.close();
  await server.close({ erasures: 1 });
});

const totalOf = (socket: Client) => request(socket, "get_unread_total", {});
const total = (messages: number, conversations: number) => ({ messages, conversations });

/** Resolves when the client has been pushed this total last. */
const shows = (socket: Client, messages: number, conversations: number) =>
  until(() => {
    const pushed = socket.events.findLast(([name]) => name === "unread_total")?.[1];
    return pushed?.messages === messages && pushed?.conversations === conversations;
  }, `${messages} in ${conversations}`);

/** Fails unless the total is the sum of what the list says. */
async function agrees(socket: Client, expected: object) {
  assert.deepEqual(await totalOf(socket), expected);
  const { items } = await request(socket, "get_conversations", {});
  const counts = items.map(({ unreadCount }) => unreadCount).filter((count) => count > 0);
  const sum = counts.reduce((all, count) => all + count, 0);
  assert.deepEqual(total(sum, counts.length), expected);
}

const api = (method: string, path: string, body?: object) =>
  callApi(server, method, `/v1/${path}`, body);

test("every device of every kind is told what arrives and what is read, on whichever device", async () => {
  const devices = await Promise.all(
    ways.map((way) => connect(server, "ann", optionsOf(way, server, "ann"))),
  );
  const [bob, carol] = [await connect(server, "bob"), await connect(server, "carol")];
  await agrees(devices[0], total(0, 0));
  const { conversationId, messageId } = await sendTo(bob, { receiverId: "ann" }, "1");
  for (const device of devices) await shows(device, 1, 1);
  await sendTo(bob, { receiverId: "ann" }, "2");
  await sendTo(carol, { receiverId: "ann" }, "3");
  for (const device of devices) await shows(device, 3, 2);
  await agrees(devices[1], total(3, 2));
  // The sender has nothing to read, and an answer reads nothing.
  await agrees(bob, total(0, 0));
  await sendTo(devices[0], { conversationId }, "4");
  await agrees(devices[0], total(3, 2));

  // The marker moves to the middle, to the end, and not back.
  const upTo = (id: string) => request(devices[2], "mark_as_read", { conversationId, upTo: id });
  await upTo(messageId);
  for (const device of devices) await shows(device, 2, 2);
  await upTo("ffffffff-ffff-7fff-bfff-ffffffffffff");
  for (const device of devices) await shows(device, 1, 1);
  const quiet = record(devices[0], "unread_total");
  await upTo(messageId);
  await agrees(devices[0], total(1, 1));
  assert.deepEqual(quiet, [["unread_total", total(1, 1)]], "only the reply");
});

test("a device that comes back asks: a push is not repeated, and the count outlives the object's memory", async () => {
  const dan = await connect(server, "dan", { transports: ["websocket"] });
  const sender = await connect(server, "erin");
  await sendTo(sender, { receiverId: "dan" }, "1");
  await shows(dan, 1, 1);
  const gone = next(dan, "disconnect");
  rawSocket(dan).terminate();
  await gone;
  const { conversationId } = await sendTo(sender, { receiverId: "dan" }, "2");
  await server.evict("dan", "close");
  const pushed = record(dan, "unread_total");
  const back = next(dan, "connect");
  dan.connect();
  await back;
  assert.equal(dan.recovered, true);
  await until(() => dan.texts.length === 2, "the missed message");
  assert.deepEqual(pushed, []);
  await agrees(dan, total(2, 1));
  // The object sleeps, with its sockets open.
  await server.evict("dan", "hibernate");
  const { messageId } = await sendTo(sender, { receiverId: "dan" }, "3");
  await shows(dan, 3, 1);
  await server.evict("dan", "hibernate");
  await request(dan, "mark_as_read", { conversationId, upTo: messageId });
  await shows(dan, 0, 0);
});

test("a marker whose answer was lost counts when the list shows it", async () => {
  const fred = await connect(server, "fred");
  const sender = await connect(server, "gail");
  const { messageId } = await sendTo(sender, { receiverId: "fred" }, "1");
  await shows(fred, 1, 1);
  // The database has the marker, and the object does not know.
  await server.everywhere(
    `UPDATE conversations SET read_a = unhex(?1, '-') WHERE user_a = 'fred'`,
    messageId,
  );
  assert.deepEqual(await totalOf(fred), total(1, 1));
  await request(fred, "get_conversations", {});
  await shows(fred, 0, 0);
  await agrees(fred, total(0, 0));
});

test("what an erased user has sent is no longer unread", async () => {
  const hugo = await connect(server, "hugo");
  const [ida, joe] = [await connect(server, "ida"), await connect(server, "joe")];
  await sendTo(ida, { receiverId: "hugo" }, "1");
  await sendTo(joe, { receiverId: "hugo" }, "2");
  await shows(hugo, 2, 2);
  const [status] = await api("DELETE", "users/ida");
  assert.equal(status, 204);
  await shows(hugo, 1, 1);
  await agrees(hugo, total(1, 1));
});

test("a service asks for the total of a user", async () => {
  assert.deepEqual((await api("GET", "users/nobody/unread"))[0], 404);
  const sender = await connect(server, "kim");
  await server.addUser("leo");
  assert.deepEqual(await api("GET", "users/leo/unread"), [200, total(0, 0)]);
  await sendTo(sender, { receiverId: "leo" }, "1");
  await sendTo(sender, { receiverId: "leo" }, "2");
  assert.deepEqual(await api("GET", "users/leo/unread"), [200, total(2, 1)]);
});

test("what became of a bulk message is shown on all devices of the sender, and once on each", async () => {
  const sender = await contractor(server);
  const others = await Promise.all(
    ways.map((way) => connect(server, "contractor1", optionsOf(way, server, "contractor1"))),
  );
  const receiver = await connect(server, "mia");
  const devices = [sender, ...others];
  const shown = devices.map((device) => record(device, "bulk_message_sent"));
  const more = { idempotencyKey: "once" };
  const result = await sendText(sender, ["mia", "nobody"], "to all", more);
  const expected = [["bulk_message_sent", result]];
  await until(() => shown.every((events) => events.length === 1), "the result everywhere");
  for (const events of shown) assert.deepEqual(events, expected);

  // A repeat is answered, and shown nowhere else.
  assert.deepEqual(await sendText(sender, ["mia", "nobody"], "to all", more), result);
  const body = { senderId: "contractor1", ...textTo(["mia"], "from the backend") };
  const [status, acted] = await api("POST", "messages/bulk", body);
  assert.equal(status, 200);
  await until(() => shown.every((events) => events.at(-1)?.[1].totalFailed === 0), "the second");
  assert.deepEqual(
    shown.map((events) => events.length),
    [3, ...others.map(() => 2)],
  );
  for (const events of shown) assert.deepEqual(events.at(-1)?.[1], acted);
  assert.ok(receiver.events.every(([name]) => name !== "bulk_message_sent"));
});

test("devices are told once in a pause, and of the last change at its end", async () => {
  const nora = await connect(slow, "nora");
  const sender = await connect(slow, "otto");
  const pushed: [at: number, messages: number][] = [];
  nora.on("unread_total", ({ messages }) => pushed.push([performance.now(), messages]));
  for (let count = 1; count <= 20; count++) await sendTo(sender, { receiverId: "nora" }, "hello");
  await shows(nora, 20, 1);
  assert.equal(pushed[0]?.[1], 1, "the first change is told at once");
  for (const [index, [at]] of pushed.entries()) {
    const [before] = pushed[index - 1] ?? [-Infinity];
    // A push may have been under way for longer than the next one.
    assert.ok(at - before > PAUSE / 2, `${at - before} ms`);
  }
});

/** Returns how many rows the user's object writes during `act`, and how many of them are alarms. */
async function rows(userId: string, act: () => Promise<unknown>) {
  const lines = () => slow.logged("rows_written").filter(({ name }) => name === userId);
  const before = lines().length;
  await act();
  // What comes later in the log shows that the log has everything.
  const figures = slow.logged("send_message").length;
  await sendTo(await connect(slow, "quinn"), { receiverId: "rita" }, "done");
  await until(() => slow.logged("send_message").length > figures, "the figures");
  const written = lines().slice(before);
  return {
    rows: written.reduce((sum, line) => sum + line.rows, 0),
    alarms: written.filter(({ isAlarm }) => isAlarm).length,
  };
}

test("counting costs no row, and reading one: two in the reader's object, one in that of the other", async () => {
  slow.addUsers(["pat", "rita"]);
  const sender = await contractor(slow);
  const send = () => sendText(sender, ["pat"], "hello");
  const conversationId = (await send()).results[0]?.conversationId ?? "";
  // Nobody is there to be told, so no alarm is set, either.
  for (let count = 2; count <= 5; count++) {
    assert.deepEqual(await rows("pat", send), { rows: 2, alarms: 0 });
  }
  const pat = await connect(slow, "pat");
  const { items } = await request(pat, "get_messages", { conversationId });
  const read = (index: number) => () =>
    request(pat, "mark_as_read", { conversationId, upTo: items[index]?.messageId ?? "" });
  assert.deepEqual(await totalOf(pat), total(5, 1));
  // The first push is at once.
  assert.deepEqual(await rows("pat", read(4)), { rows: 2, alarms: 0 });
  assert.deepEqual(await rows("contractor1", read(3)), { rows: 1, alarms: 0 });
  assert.deepEqual(await rows("pat", read(3)), { rows: 0, alarms: 0 }, "it has been read");
  await shows(pat, 3, 1);
  // Until the pause is over, every further change is told by the same alarm.
  const often = await rows("pat", async () => {
    for (const index of [2, 1, 0]) await read(index)();
    await shows(pat, 0, 0);
  });
  assert.ok(often.alarms === 1 || often.alarms === 2, "this one, and the next heartbeat");
  assert.equal(often.rows, 3 * 2 + often.alarms);
});
