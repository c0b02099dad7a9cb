// What a campaign costs beyond its bulk sends, as counted by the code that causes the cost: exact numbers, no timings.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { inRoot } from "../scripts/lib/project.mjs";
import { ended, prepare, start } from "./support/campaigns.ts";
import { closeAll, contractor, sendText, until } from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";

const rowCounter = inRoot("tests", "support", "object-rows.js");

const CHUNK = 10;
/** Rows that a campaign may write for each chunk, beyond those of the chunk's bulk send. */
const ROWS_PER_CHUNK = 3;
const crowd = Array.from({ length: 8 * CHUNK }, (_, index) => `crowd${index}`);

let server: DevServer;
before(async () => {
  server = await createDevServer({ CAMPAIGN_CHUNK: CHUNK }, { wrapper: rowCounter });
  await server.start();
  server.addUsers(crowd);
});
after(async () => {
  closeAll();
  await server.close();
});

const sum = (lines: Record<string, any>[], field: string) =>
  lines.reduce((total, line) => total + line[field], 0);

const figures = () => server.logged("send_bulk_message");
const rowsOf = (name: string) =>
  [...server.logged("rows_written"), ...server.logged("campaign_rows_written")].filter(
    (line) => line.name === name,
  );

/** Returns what so many sends cost: in D1, in calls, and in rows of the sender's object. */
async function cost(sends: number, act: () => Promise<unknown>) {
  const [sent, written] = [figures().length, rowsOf("contractor1").length];
  await act();
  await until(() => figures().length === sent + sends, "the figures");
  const lines = figures().slice(sent);
  return {
    d1RoundTrips: sum(lines, "d1RoundTrips"),
    d1RowsWritten: sum(lines, "d1RowsWritten"),
    objectRequests: sum(lines, "objectRequests"),
    rows: sum(rowsOf("contractor1").slice(written), "rows"),
  };
}

/** Sends a campaign of so many chunks. Returns what it costs, and the rows of its own object. */
async function campaign(sender: Client, chunks: number) {
  const campaignId = await prepare(sender, crowd.slice(0, chunks * CHUNK), "hello");
  const alarms = () => rowsOf(campaignId).filter(({ isAlarm }) => isAlarm).length;
  const before = alarms();
  const sends = await cost(chunks, async () => {
    const finished = ended(sender, campaignId);
    await start(sender, campaignId);
    await finished;
    // At once to start it, and at the end for the time at which it is deleted.
    await until(() => alarms() === before + 2, "the campaign is at rest");
  });
  return { ...sends, ownRows: sum(rowsOf(campaignId), "rows") };
}

test("a campaign costs what its bulk sends do, and three rows a chunk", async () => {
  const sender = await contractor(server);
  // From now on nobody is a first contact, and all tables are made.
  await sendText(sender, crowd, "hello");
  await campaign(sender, 1);
  const bulk = await cost(1, () =>
    sendText(sender, crowd.slice(0, CHUNK), "hello", { idempotencyKey: "one" }),
  );
  const [four, eight] = [await campaign(sender, 4), await campaign(sender, 8)];
  for (const [chunks, { d1RoundTrips, d1RowsWritten, objectRequests }] of [
    [4, four],
    [8, eight],
  ] as const) {
    assert.deepEqual(
      { d1RoundTrips, d1RowsWritten, objectRequests },
      {
        d1RoundTrips: chunks * bulk.d1RoundTrips,
        d1RowsWritten: chunks * bulk.d1RowsWritten,
        objectRequests: chunks * bulk.objectRequests,
      },
    );
  }
  const more = eight.rows + eight.ownRows - four.rows - four.ownRows;
  assert.ok(
    more <= 4 * (bulk.rows + ROWS_PER_CHUNK),
    `four chunks write ${more} rows, and a bulk send ${bulk.rows}: ` +
      JSON.stringify({ bulk, four, eight }),
  );
});
