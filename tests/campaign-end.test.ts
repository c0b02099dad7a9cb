// Campaigns are deleted: with their contractor, or when nothing has happened to them for a long time.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { prepare, run, start } from "./support/campaigns.ts";
import { closeAll, contractor, next, refusal, request, until } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";
import { gatedWorker, startGate } from "./support/gate.ts";
import type { Gate } from "./support/gate.ts";

const API_KEY = "a key for the backend, of 40 characters..";
const RETENTION = 2_000;
const receiverIds = Array.from({ length: 6 }, (_, index) => `customer${index}`);

let server: DevServer;
let gate: Gate;
before(async () => {
  gate = await startGate();
  const vars = { CAMPAIGN_CHUNK: 2, CAMPAIGN_RETENTION_MS: RETENTION, GATE_URL: gate.url, API_KEY };
  server = await createDevServer(vars, { wrapper: gatedWorker });
  await server.start();
  server.addUsers(receiverIds);
});
afterEach(closeAll);
after(async () => {
  gate.close();
  await server.close();
});

test("a contractor is erased with their campaigns, even while one runs", async () => {
  const sender = await contractor(server, "erased");
  gate.hold("customer2");
  const campaignId = await prepare(sender, receiverIds, "never mind");
  await start(sender, campaignId);
  await gate.waits("customer2");
  assert.deepEqual(server.campaigns(), [campaignId]);
  const headers = { Authorization: `Bearer ${API_KEY}` };
  const url = `${server.url}/v1/users/erased`;
  const gone = next(sender, "disconnect");
  const erasure = fetch(url, { method: "DELETE", headers });
  // From now on the erasure waits for the chunk in progress, and the next chunk for the erasure.
  await gone;
  gate.open("customer2");
  assert.equal((await erasure).status, 204);
  assert.equal(server.count("messages"), 0);
  assert.equal(gate.asked("customer4"), 0);
  assert.deepEqual(server.campaigns(), []);
});

/** Returns whether no campaign has anything stored. A database cannot be read while it is being deleted. */
function isDeleted() {
  try {
    return server.campaigns().length === 0;
  } catch {
    return false;
  }
}

test("a campaign is deleted after CAMPAIGN_RETENTION_MS without a change", async () => {
  const sender = await contractor(server);
  const { campaignId, finishedAt } = await run(sender, receiverIds, "kept for a while");
  assert.deepEqual(server.campaigns(), [campaignId]);
  await until(isDeleted, "the campaign is deleted");
  assert.ok(Date.now() - Date.parse(finishedAt ?? "") >= RETENTION);
  const { code } = await refusal(sender, "get_campaign", { campaignId });
  assert.equal(code, "not_found");
  assert.deepEqual(await request(sender, "get_campaigns", {}), { items: [], nextCursor: null });
});
