// What sends cost, as counted by the code that causes the cost: exact numbers, no timings.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { closeAll, contractor, sendText, sendTo, until } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";

const N = 200;
const crowd = Array.from({ length: N }, (_, index) => `crowd${index}`);

let server: DevServer;
before(async () => {
  server = await createDevServer();
  await server.start();
  server.addUsers(crowd);
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
