// Campaigns: prepared, started, watched, paused, resumed and cancelled.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { closeAll, connect, contractor, next, refusal, request, until } from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";

let server: DevServer;
let sender: Client;
before(async () => {
  server = await createDevServer({ CAMPAIGN_CHUNK: 3 });
  await server.start();
  server.addUsers(Array.from({ length: 10 }, (_, index) => `customer${index}`));
  sender = await contractor(server);
});
after(async () => {
  if (process.env.SHOW) console.log(server.output());
  closeAll();
  await server.close();
});

const text = (text: string) => ({ messageType: "text", content: { text } });

test("a campaign from its draft to its results", async () => {
  const online = await connect(server, "customer1");
  const message = next(online, "new_message");
  const { campaignId } = await request(sender, "create_campaign", { ...text("hello"), name: "May" });
  const receiverIds = Array.from({ length: 10 }, (_, index) => `customer${index}`);
  await request(sender, "add_campaign_receivers", { campaignId, part: 0, receiverIds });
  const added = await request(sender, "add_campaign_receivers", {
    campaignId,
    part: 1,
    receiverIds: ["nobody", "customer1"],
  });
  assert.deepEqual(added, { campaignId, part: 1, total: 12 });
  const finished = next(sender, "campaign_finished");
  const started = await request(sender, "start_campaign", { campaignId });
  assert.equal(started.state, "running");
  assert.equal(started.total, 11);
  const [campaign] = await finished;
  assert.equal(campaign.state, "finished");
  assert.deepEqual([campaign.total, campaign.sent, campaign.failed, campaign.delivered], [11, 10, 1, 1]);
  assert.equal((await message)[0].content.text, "hello");
  const results = [];
  let cursor: string | null = null;
  do {
    const page = await request(sender, "get_campaign_results", { campaignId, cursor });
    results.push(...page.results, ...page.errors);
    cursor = page.nextCursor;
  } while (cursor);
  assert.deepEqual(results.map(({ receiverId }) => receiverId), [...receiverIds, "nobody"]);
});
