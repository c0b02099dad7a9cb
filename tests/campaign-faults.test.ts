// A campaign whose chunk D1 refuses. With four databases (tests/support/shards.ts), only one of them fails.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { ended, prepare, pushed, resultsOf, start } from "./support/campaigns.ts";
import { closeAll, connect, contractor, request, until } from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PATIENCE = 3_000;
const receiverIds = Array.from({ length: 24 }, (_, index) => `customer${index}`);

let server: Server;
before(async () => {
  server = await startServer({ vars: { CAMPAIGN_CHUNK: 8, CAMPAIGN_PATIENCE_MS: PATIENCE } });
  for (const id of receiverIds) await server.addUser(id);
});
afterEach(closeAll);
after(() => server.close());

const rename = (from: string, to: string) =>
  server.dbs.at(-1)?.prepare(`ALTER TABLE ${from} RENAME TO ${to}`).run();

/** Starts a campaign while the last database cannot store messages. */
async function startWithoutD1(sender: Client, text: string) {
  const campaignId = await prepare(sender, receiverIds, text);
  await rename("messages", "hidden");
  const failures = () => server.logs().filter((line) => line.includes("no such table")).length;
  const before = failures();
  await start(sender, campaignId);
  await until(() => failures() > before, "the chunk fails");
  return campaignId;
}

/** Checks that the results are complete, and that everyone has exactly one message of this text. */
async function checkComplete(sender: Client, campaignId: string, text: string, clients: Client[]) {
  const { results, errors } = await resultsOf(sender, campaignId);
  assert.deepEqual(errors, []);
  assert.deepEqual(
    results.map(({ receiverId }) => receiverId),
    receiverIds,
  );
  for (const client of clients) {
    await until(() => client.texts.includes(text), "the message");
    assert.equal(client.texts.filter((one) => one === text).length, 1);
  }
  for (const { conversationId, messageId } of results) {
    const { items } = await request(sender, "get_messages", { conversationId });
    const copies = items.filter(({ content }) => "text" in content && content.text === text);
    assert.deepEqual(
      copies.map((copy) => copy.messageId),
      [messageId],
    );
  }
}

const receivers = () => Promise.all(receiverIds.map((id) => connect(server, id)));

test("a failure that is shorter than CAMPAIGN_PATIENCE_MS is made up for", async () => {
  const sender = await contractor(server);
  const clients = await receivers();
  const campaignId = await startWithoutD1(sender, "patiently");
  const finished = ended(sender, campaignId);
  await rename("hidden", "messages");
  assert.equal((await finished).state, "finished");
  await checkComplete(sender, campaignId, "patiently", clients);
});

test("a failure that is longer pauses it with a reason, and resuming it loses nothing", async () => {
  const sender = await contractor(server);
  const clients = await receivers();
  const campaignId = await startWithoutD1(sender, "resumed");
  const isPaused = ({ state }: { state: string }) => state === "paused";
  const { reason, startedAt } = await pushed(sender, "campaign_progress", campaignId, isPaused);
  assert.match(reason ?? "", /try again/);
  await rename("hidden", "messages");
  const finished = ended(sender, campaignId);
  const resumed = await request(sender, "resume_campaign", { campaignId });
  assert.deepEqual(
    [resumed.state, resumed.reason, resumed.startedAt],
    ["running", null, startedAt],
  );
  assert.equal((await finished).sent, receiverIds.length);
  await checkComplete(sender, campaignId, "resumed", clients);
});
