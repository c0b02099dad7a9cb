// What a notice costs, and that it costs nothing while nobody is told: exact numbers of rows and of what wakes the object.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { inRoot } from "../scripts/lib/project.mjs";
import {
  closeAll,
  connect,
  contractor,
  next,
  sendText,
  statusOf,
  until,
} from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";
import { WEBHOOK_SECRET, toldOf } from "./support/notices.ts";
import { startReceiver } from "./support/webhook-receiver.ts";
import type { WebhookReceiver } from "./support/webhook-receiver.ts";

let receiver: WebhookReceiver;
let server: DevServer;
before(async () => {
  receiver = await startReceiver(WEBHOOK_SECRET);
  const vars = {
    NOTIFY_AFTER_MS: 500,
    UNREAD_AFTER_MS: 0,
    WEBHOOK_SECRET,
    WEBHOOK_URL: receiver.url,
  };
  const wrapper = inRoot("tests", "support", "object-rows.js");
  server = await createDevServer(vars, { wrapper });
  await server.start();
  server.addUsers(["away", "here"]);
});
afterEach(closeAll);
after(async () => {
  receiver.close();
  await server.close();
});

/** Returns what has woken the user's object so far, and how many rows it has written, those for alarms apart. */
function spent(userId: string) {
  const rows = server.logged("rows_written").filter(({ name }) => name === userId);
  const sum = (some: typeof rows) => some.reduce((all, { rows }) => all + rows, 0);
  return {
    rows: sum(rows.filter(({ isAlarm }) => !isAlarm)),
    alarms: sum(rows.filter(({ isAlarm }) => isAlarm)),
    woken: server.logged("user_woken").filter(({ name }) => name === userId).length,
  };
}

/** The same, when all that has happened so far is in the log: a query's line comes behind it. */
async function settled(sender: Client, userId: string) {
  const { woken } = spent(userId);
  await statusOf(sender, userId);
  await until(() => spent(userId).woken > woken, "the line of the query");
  return spent(userId);
}

async function difference(sender: Client, userId: string, act: () => Promise<unknown>) {
  const before = await settled(sender, userId);
  await act();
  const now = await settled(sender, userId);
  return {
    rows: now.rows - before.rows,
    alarms: now.alarms - before.alarms,
    // One is that of the query.
    woken: now.woken - before.woken - 1,
  };
}

test("a notice is two rows, one alarm and one request", async () => {
  const sender = await contractor(server);
  const isDone = () =>
    server.storage("away", "SELECT 1 FROM notices WHERE pending IS NOT NULL").length === 0;
  const send = (count: number) => async () => {
    await sendText(sender, ["away"], `message ${count}`);
    await until(() => toldOf(receiver, "away").length === count, `notice ${count}`);
    await until(isDone, "it is done");
  };
  await send(1)();
  for (const count of [2, 3]) {
    // Two rows and a request are those of the delivery.
    const cost = await difference(sender, "away", send(count));
    assert.deepEqual(cost, { rows: 2 + 2, alarms: 1, woken: 1 + 1 });
  }
});

test("a user who is here costs what they cost without notices", async () => {
  const sender = await contractor(server);
  const device = await connect(server, "here", { transports: ["websocket"] });
  const send = async () => {
    const arrives = next(device, "new_message");
    await sendText(sender, ["here"], "hello");
    await arrives;
  };
  await send();
  const cost = await difference(sender, "here", send);
  assert.deepEqual(cost, { rows: 2, alarms: 0, woken: 1 });
});
