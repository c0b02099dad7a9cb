// What sends cost, as counted by the code that causes the cost: exact numbers, no timings.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { inRoot } from "../scripts/lib/project.mjs";
import { closeAll, connect, contractor, sendText, sendTo, until } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";

const rowCounter = inRoot("tests", "support", "object-rows.js");

const N = 200;
const LOG_MAX_EVENTS = 3;
const NEW_SENDERS = 4;
const crowd = Array.from({ length: N }, (_, index) => `crowd${index}`);

let server: DevServer;
before(async () => {
  server = await createDevServer(
    { LOG_MAX_EVENTS, MAX_NEW_SENDERS_PER_DAY: NEW_SENDERS },
    { wrapper: rowCounter },
  );
  await server.start();
  server.addUsers([...crowd, "here", "away"]);
});
afterEach(closeAll);
after(() => server.close());

/** Sends and returns the figures that the server logged for it. */
async function cost(event: string, send: () => Promise<unknown>) {
  const before = server.logged(event).length;
  await send();
  await until(() => server.logged(event).length > before, "the figures");
  const { d1RoundTrips, d1RowsWritten, objectRequests } = server.logged(event).at(-1) ?? {};
  return { d1RoundTrips, d1RowsWritten, objectRequests };
}

test("a bulk send: one round trip, a row per receiver and one for the content, N requests", async () => {
  const sender = await contractor(server);
  const send = () =>
    cost("send_bulk_message", () => sendText(sender, crowd, "hello", { jobId: "job" }));
  const first = { d1RoundTrips: 1, d1RowsWritten: 2 * N + 1, objectRequests: N };
  assert.deepEqual(await send(), first);
  assert.deepEqual(await send(), { ...first, d1RowsWritten: N + 1 });
});

test("a message: one round trip, one row, one request", async () => {
  const sender = await contractor(server);
  const to = { receiverId: crowd[0] };
  await sendTo(sender, to, "hello");
  const known = await cost("send_message", () => sendTo(sender, to, "again"));
  assert.deepEqual(known, { d1RoundTrips: 1, d1RowsWritten: 1, objectRequests: 1 });
});

/** Returns how many rows each user's object writes during a send. The figures come when all receivers have it. */
async function objectRows(
  userIds: string[],
  event: string,
  send: () => Promise<unknown>,
  isCounted = (_row: { isAlarm?: boolean }) => true,
) {
  const written = (userId: string) =>
    server
      .logged("rows_written")
      .filter((row) => row.name === userId && isCounted(row))
      .reduce((sum, { rows }) => sum + rows, 0);
  const before = userIds.map(written);
  await cost(event, send);
  return userIds.map((userId, index) => written(userId) - before[index]);
}

test("a bulk send writes two rows in a known receiver's object, also when the log is full", async () => {
  const here = await connect(server, "here");
  const sender = await contractor(server);
  const receivers = ["here", "away"];
  const send = (text: string) =>
    objectRows(receivers, "send_bulk_message", () => sendText(sender, receivers, text));
  const first = await send("first contact");
  assert.ok(first[1] > 2, `the tables are made: ${first} rows`);
  for (let count = 2; count <= 2 * LOG_MAX_EVENTS; count++) {
    assert.deepEqual(await send(`message ${count}`), [2, 2], `message ${count}`);
  }
  await until(() => here.texts.length === 2 * LOG_MAX_EVENTS, "all messages");
  for (const userId of receivers) {
    assert.equal(server.logs().get(userId)?.length, LOG_MAX_EVENTS);
  }
});

test("the first message of a contractor writes a row more: the count of new senders", async () => {
  const send = async (userId: string) => {
    const sender = await contractor(server, userId);
    const bulk = () => sendText(sender, ["away", "here"], "hello");
    return objectRows(["away"], "send_bulk_message", bulk);
  };
  assert.deepEqual(await send("contractor2"), [3]);
  assert.deepEqual(await send("contractor2"), [2]);
  for (let count = 3; count <= NEW_SENDERS; count++) await send(`contractor${count}`);
  // The first one who is held is noted; from then on nothing is.
  assert.deepEqual(await send("held1"), [3]);
  assert.deepEqual(await send("held2"), [2]);
  assert.deepEqual(await send("held2"), [2]);
});

test("a message to one user writes a third row: its receipt", async () => {
  const sender = await contractor(server);
  const send = () =>
    objectRows(["away"], "send_message", () => sendTo(sender, { receiverId: "away" }, "hello"));
  await send();
  assert.deepEqual(await send(), [3]);
});

test("a bulk send to known receivers writes as many rows in the sender's object, however many they are", async () => {
  const sender = await contractor(server);
  const send = (receivers: string[]) =>
    objectRows(
      ["contractor1"],
      "send_bulk_message",
      () => sendText(sender, receivers, "hello"),
      // Whether an alarm is set depends on whether that of an earlier send has fired meanwhile.
      ({ isAlarm }) => !isAlarm,
    );
  await send(crowd);
  // In the outbox, the count of the day, and the send in the list.
  const rows = await send(crowd);
  assert.deepEqual(rows, [5]);
  assert.deepEqual(await send(crowd.slice(0, 2)), rows);
});
