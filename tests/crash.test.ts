// The server is killed, as by a power cut, and restarted on the same state.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import {
  closeAll,
  connect,
  contractor,
  next,
  optionsOf,
  sendText,
  statusOf,
  until,
  upgraded,
  ways,
} from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";
import { gatedWorker, startGate } from "./support/gate.ts";
import type { Gate } from "./support/gate.ts";

const PING_INTERVAL = 2_000;
const PING_TIMEOUT = 4_000;
const PERIOD = PING_INTERVAL + PING_TIMEOUT * 0.75;
const RECEIVERS = 600;

let gate: Gate;
let server: DevServer;
before(async () => {
  gate = await startGate();
  const vars = { PING_INTERVAL_MS: PING_INTERVAL, PING_TIMEOUT_MS: PING_TIMEOUT };
  server = await createDevServer({ ...vars, GATE_URL: gate.url }, { wrapper: gatedWorker });
  await server.start();
});
after(async () => {
  closeAll();
  await server.close();
  gate.close();
});

/** Holds up every tenth receiver, so that no fan-out is complete before the kill, however fast the machine is. */
function holdSome(ids: string[]) {
  for (const id of ids.filter((_, index) => index % 10 === 9)) gate.hold(id);
}

test("killed between the commit and the fan-out, every receiver gets the message once", async () => {
  const ids = Array.from({ length: RECEIVERS }, (_, index) => `receiver${index}`);
  const listeners = ["receiver0", `receiver${RECEIVERS - 1}`];
  for (const id of listeners) await connect(server, id, { transports: ["websocket"] });
  server.addUsers(ids);
  const got: Record<string, string[]> = Object.fromEntries(ids.map((id) => [id, []]));
  const sender = await contractor(server);
  let isAnswered = false;
  const key = { idempotencyKey: "killed" };
  holdSome(ids);
  sendText(sender, ids, "to all", key)
    .then(() => (isAnswered = true))
    .catch(() => {});

  await until(() => server.count("messages") === RECEIVERS, "commit");
  await server.kill();
  gate.openAll();
  assert.equal(isAnswered, false, "nothing is answered before the fan-out");
  const reached = () => server.logs().size;
  const before = reached();
  assert.ok(before < RECEIVERS, `${before} receivers were reached already`);
  closeAll();

  await server.start();
  // No client reconnects: the alarm that the sender's object had set finishes the fan-out.
  await until(() => reached() === RECEIVERS, "everyone is reached", 30_000);
  const open = () =>
    server.storage("contractor1", "SELECT * FROM outbox WHERE next_attempt_at IS NOT NULL");
  await until(() => open().length === 0, "the outbox is empty");

  const sample = [...listeners, ...ids.filter((_, index) => index % 20 === 7)];
  for (const id of sample) {
    const socket = await connect(server, id, { transports: ["websocket"] });
    await until(() => socket.texts.length > 0, `${id}'s message`);
    got[id] = socket.texts;
  }
  const logs = server.logs();
  for (const id of ids) assert.equal(logs.get(id)?.length, 1, `the log of ${id}`);
  for (const id of sample) assert.deepEqual(got[id], ["to all"]);

  // The sender never got a reply and retries.
  const stored = () => server.count("messages");
  const result = await sendText(await contractor(server), ids, "to all", key);
  assert.equal(result.totalSent, RECEIVERS);
  assert.equal(stored(), RECEIVERS);
  assert.deepEqual(
    result.results.map(({ messageId }) => [messageId]),
    ids.map((id) => logs.get(id)),
  );
  assert.deepEqual(server.logs(), logs);
  closeAll();
});

test("killed between two databases, everyone gets the message once", async () => {
  const vars = { GATE_URL: gate.url };
  const sharded = await createDevServer(vars, { shards: 4, wrapper: gatedWorker });
  try {
    await sharded.start();
    const ids = Array.from({ length: RECEIVERS }, (_, index) => `receiver${index}`);
    sharded.addUsers(ids);
    // One database cannot store its part, as if the kill had come before that.
    sharded.inShard(2, "ALTER TABLE messages RENAME TO hidden");
    const key = { idempotencyKey: "killed between" };
    holdSome(ids);
    const sender = await contractor(sharded);
    sendText(sender, ids, "to all", key).catch(() => {});
    await until(() => sharded.logs().size > 0, "the fan-out");
    await sharded.kill();
    gate.openAll();
    closeAll();
    sharded.inShard(2, "ALTER TABLE hidden RENAME TO messages");
    const confirmed = sharded.count("messages");
    assert.ok(confirmed > 0 && confirmed < RECEIVERS, `${confirmed} messages`);
    assert.ok(sharded.logs().size < confirmed, "some of what was stored is not delivered");

    await sharded.start();
    await until(() => sharded.logs().size === confirmed, "what was stored is delivered", 60_000);
    // The sender never got a reply and retries.
    const result = await sendText(await contractor(sharded), ids, "to all", key);
    assert.deepEqual(
      result.results.map(({ receiverId }) => receiverId),
      ids,
    );
    assert.equal(sharded.count("messages"), RECEIVERS);
    const logs = sharded.logs();
    for (const { receiverId, messageId } of result.results) {
      assert.deepEqual(logs.get(receiverId), [messageId]);
    }
  } finally {
    closeAll();
    await sharded.close();
  }
});

test("a user who was online is offline, and lastSeen is at most one heartbeat off", async () => {
  await connect(server, "victim", { transports: ["websocket"] });
  await pause(PERIOD + 1_000); // past the first heartbeat, so that lastSeen does not come from connecting
  const killedAt = Date.now();
  await server.kill();
  closeAll();
  await pause(PERIOD + 1_000); // the outage is longer than a heartbeat
  await server.start();
  const observer = await connect(server, "observer");
  const { isOnline, connectionCount, lastSeen } = await statusOf(observer, "victim");
  assert.deepEqual([isOnline, connectionCount], [false, 0]);
  const off = killedAt - Date.parse(lastSeen ?? "");
  // On a busy machine an alarm fires late.
  assert.ok(off > -500 && off <= PERIOD + 1_500, `${off} ms off`);
  // It does not change when the leftover alarm fires.
  await until(() => server.alarm("victim") === null, "the alarm has fired");
  assert.equal((await statusOf(observer, "victim")).lastSeen, lastSeen);
  closeAll();
});

/** Connects a client in every way. None of them reconnects automatically. */
const survivors = () =>
  Promise.all(
    ways.map(async (way) => {
      const userId = `survivor ${way}`;
      const socket = await connect(server, userId, optionsOf(way, server, userId));
      if (way === "default") await upgraded(socket);
      return { way, userId, socket, id: "" };
    }),
  );

test("clients recover the same session with nothing missed or repeated", async () => {
  const all = await survivors();
  const ids = all.map(({ userId }) => userId);
  const send = async (text: string) => {
    const sender = await contractor(server);
    assert.equal((await sendText(sender, ids, text)).totalSent, ids.length);
    sender.close();
  };
  const have = (text: string) =>
    until(() => all.every(({ socket }) => socket.texts.includes(text)), `"${text}" everywhere`);

  await send("before");
  await have("before");
  for (const one of all) one.id = one.socket.id ?? "";
  const gone = all.map(({ socket }) => next(socket, "disconnect"));
  await server.kill();
  await Promise.all(gone);
  await server.start();
  await send("missed 1");
  await send("missed 2");
  for (const { way, socket, id } of all) {
    const back = next(socket, "connect");
    socket.connect();
    await back;
    assert.deepEqual([socket.recovered, socket.id], [true, id], way);
  }
  await send("after");
  await have("after");
  for (const { way, socket } of all) {
    assert.deepEqual(socket.texts, ["before", "missed 1", "missed 2", "after"], way);
  }
  closeAll();
});

test("an unmodified client reconnects by itself", async () => {
  const socket = await connect(server, "unmodified", {
    reconnection: true,
    reconnectionDelay: 100,
    reconnectionDelayMax: 300,
  });
  const sender = await contractor(server);
  await sendText(sender, ["unmodified"], "before");
  await until(() => socket.texts.length === 1, "the message");
  const { id } = socket;
  const gone = next(socket, "disconnect");
  await server.kill();
  await gone;
  const back = next(socket, "connect");
  await server.start();
  await back;
  assert.deepEqual([socket.recovered, socket.id], [true, id]);
  assert.deepEqual(socket.texts, ["before"]);
  closeAll();
});
