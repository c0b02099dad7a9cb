// Alarms can be lost, late or fail: then the object's next event, or the platform, sees to it.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { createTestHarness } from "wrangler";

import { assertNoCancelledAlarm } from "./support/alarms.ts";
import {
  closeAll,
  connect,
  contractor,
  nextPing,
  sendText,
  statusOf,
  until,
} from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";

let server: DevServer;
before(async () => {
  server = await createDevServer({ PING_INTERVAL_MS: 1_000, PING_TIMEOUT_MS: 20_000 });
  await server.start();
  await leaveUndelivered("failing", "gone", "overdue");
  server.loseAlarm("gone");
  server.loseAlarm("overdue", Date.now() - 60_000);
  server.damage(
    "failing",
    `ALTER TABLE outbox RENAME COLUMN pending TO hidden;
     UPDATE outbox SET next_attempt_at = 1 WHERE next_attempt_at IS NOT NULL`,
  );
  await server.start();
});
after(async () => {
  closeAll();
  await server.close();
});

const open = (senderId: string) =>
  server.storage(senderId, "SELECT * FROM outbox WHERE next_attempt_at IS NOT NULL").length;

/** Leaves each sender with a message to "ill" that could not be delivered, and the server down. */
async function leaveUndelivered(...senderIds: string[]) {
  await connect(server, "ill");
  closeAll();
  await server.kill();
  server.damage("ill", "ALTER TABLE log RENAME COLUMN payload TO hidden");
  await server.start();
  for (const id of senderIds) {
    const { results } = await sendText(await contractor(server, id), ["ill"], id);
    assert.equal(results[0].delivered, false);
    await until(() => open(id) === 1, "the outbox knows");
  }
  closeAll();
  await server.kill();
  server.damage("ill", "ALTER TABLE log RENAME COLUMN hidden TO payload");
}

test("an alarm whose work fails is tried again by the platform, and the heartbeat goes on", async () => {
  const faults = () => server.logged("outbox").length;
  const times: number[] = [];
  for (const count of [1, 2, 3]) {
    await until(() => faults() >= count, `attempt ${count}`, 20_000);
    times.push(Date.now());
  }
  // The platform waits for 2 s and then for 4 s, plus some jitter.
  const [first, second, third] = times;
  assert.ok(second - first > 1_000, `${second - first} ms`);
  assert.ok(third - second > 3_000, `${third - second} ms`);
  assert.equal(faults(), 3);

  const socket = await connect(server, "failing", { transports: ["websocket"] });
  await nextPing(socket);
  await nextPing(socket);
  assert.equal(socket.connected, true);
  socket.close();
});

test("an object whose alarm is gone, or long overdue, finds out when it is merely asked for its presence", async () => {
  const friend = await connect(server, "friend");
  assert.equal(server.alarm("gone"), null);
  assert.deepEqual([open("gone"), open("overdue")], [1, 1]);
  for (const id of ["gone", "overdue"]) {
    await statusOf(friend, id);
    await until(() => open(id) === 0, `the message of ${id} is delivered`, 20_000);
  }
});

test("the check of the runtime's log finds an alarm that was cancelled", async () => {
  const careless = createTestHarness({ workers: [{ configPath: "tests/alarms/wrangler.toml" }] });
  try {
    const { url } = await careless.listen();
    assert.equal(await (await fetch(url)).text(), "ok");
    const log = () =>
      careless
        .getLogs()
        .map(({ message }) => message)
        .join("\n");
    await until(() => log().includes("alarm"), "the runtime's warning");
    assert.throws(() => assertNoCancelledAlarm(log()), /cancels another one/);
  } finally {
    await careless.close();
  }
});
