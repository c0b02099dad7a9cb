// A campaign that runs: paused, resumed, cancelled, and beside other campaigns and messages.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import {
  addPart,
  describe,
  draft,
  ended,
  prepare,
  pushed,
  resultsOf,
  run,
  start,
} from "./support/campaigns.ts";
import {
  closeAll,
  connect,
  contractor,
  record,
  refusal,
  request,
  sendTo,
  until,
} from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";
import { gatedWorker, startGate } from "./support/gate.ts";
import type { Gate } from "./support/gate.ts";

const PER_DAY = 12;
const CHUNK = 3;

let server: DevServer;
let gate: Gate;
before(async () => {
  gate = await startGate();
  const limits = { MAX_CAMPAIGN_RECEIVERS_PER_DAY: PER_DAY, CAMPAIGN_PROGRESS_MS: 60_000 };
  server = await createDevServer(
    { CAMPAIGN_CHUNK: CHUNK, GATE_URL: gate.url, ...limits },
    { wrapper: gatedWorker },
  );
  await server.start();
});
afterEach(() => {
  gate.openAll();
  closeAll();
});
after(async () => {
  gate.close();
  await server.close();
});

/** Adds three chunks of receivers. Returns their ids. */
function crowd(name: string) {
  const receiverIds = Array.from({ length: 3 * CHUNK }, (_, index) => `${name}${index}`);
  server.addUsers(receiverIds);
  return receiverIds;
}

/** Starts a campaign. Returns its id when it is within its second chunk, which waits for `receiverIds[4]`. */
async function startAndHold(sender: Client, receiverIds: string[], text: string) {
  gate.hold(receiverIds[4]);
  const campaignId = await prepare(sender, receiverIds, text);
  await start(sender, campaignId);
  await gate.waits(receiverIds[4]);
  return campaignId;
}

/** Resolves when the campaign has come so far. */
const reaches = (sender: Client, campaignId: string, sent: number) =>
  until(async () => (await describe(sender, campaignId)).sent === sent, `${sent} are reached`);

const conflict = (message: string) => ({ code: "conflict", message });

test("paused within a chunk it stops behind it, and goes on when it is resumed", async () => {
  const sender = await contractor(server, "pauser");
  const receiverIds = crowd("paused");
  const last = await connect(server, receiverIds[6]);
  const campaignId = await startAndHold(sender, receiverIds, "paused");
  const paused = await request(sender, "pause_campaign", { campaignId });
  assert.deepEqual([paused.state, paused.reason, paused.sent], ["paused", null, 3]);
  gate.open(receiverIds[4]);
  await reaches(sender, campaignId, 6);

  await sendTo(sender, { receiverId: receiverIds[6] }, "meanwhile");
  await until(() => last.texts.length > 0, "the direct message");
  assert.deepEqual(last.texts, ["meanwhile"]);
  assert.equal((await describe(sender, campaignId)).sent, 6);

  const finished = ended(sender, campaignId);
  const resumed = await request(sender, "resume_campaign", { campaignId });
  assert.deepEqual([resumed.state, resumed.startedAt], ["running", paused.startedAt]);
  const { state, sent } = await finished;
  assert.deepEqual([state, sent], ["finished", 9]);
  assert.deepEqual(last.texts, ["meanwhile", "paused"]);
});

test("cancelled within a chunk it stops behind it, and says how far it has come", async () => {
  const sender = await contractor(server, "canceller");
  const receiverIds = crowd("cancelled");
  const campaignId = await startAndHold(sender, receiverIds, "cancelled");
  const over = ended(sender, campaignId);
  const cancelled = await request(sender, "cancel_campaign", { campaignId });
  assert.deepEqual([cancelled.state, cancelled.sent], ["cancelled", 3]);
  gate.open(receiverIds[4]);
  const { state, total, sent, finishedAt } = await over;
  assert.deepEqual([state, total, sent], ["cancelled", 9, 6]);
  assert.equal(finishedAt, cancelled.finishedAt);
  assert.equal(gate.asked(receiverIds[6]), 0);
  const { results } = await resultsOf(sender, campaignId);
  assert.deepEqual(
    results.map(({ receiverId }) => receiverId),
    receiverIds.slice(0, 6),
  );
});

test("paused before a chunk, it is cancelled at once", async () => {
  const sender = await contractor(server, "second thoughts");
  const receiverIds = crowd("never");
  const sendAt = new Date(Date.now() + 3_600_000).toISOString();
  const campaignId = await prepare(sender, receiverIds, "never", { sendAt });
  assert.equal((await start(sender, campaignId)).state, "scheduled");
  assert.equal((await request(sender, "pause_campaign", { campaignId })).state, "paused");
  assert.equal((await request(sender, "resume_campaign", { campaignId })).state, "scheduled");
  assert.equal((await request(sender, "pause_campaign", { campaignId })).state, "paused");
  const over = ended(sender, campaignId);
  await request(sender, "cancel_campaign", { campaignId });
  assert.equal((await over).sent, 0);
});

test("direct messages pass in between", async () => {
  const sender = await contractor(server, "both");
  const receiverIds = crowd("both");
  const last = await connect(server, receiverIds[8]);
  const campaignId = await startAndHold(sender, receiverIds, "in a campaign");
  const { messageId } = await sendTo(sender, { receiverId: receiverIds[8] }, "directly");
  await until(() => last.texts.includes("directly"), "the direct message");
  assert.deepEqual(last.texts, ["directly"]);
  const finished = ended(sender, campaignId);
  gate.open(receiverIds[4]);
  await finished;
  const { results } = await resultsOf(sender, campaignId);
  assert.ok(messageId < (results.at(-1)?.messageId ?? ""));
  assert.deepEqual(last.texts, ["directly", "in a campaign"]);
});

const changes = ["start", "pause", "resume", "cancel"] as const;

/** Checks that a campaign refuses all changes but these, and takes no receivers. */
async function checkRefuses(sender: Client, campaignId: string, state: string, allowed: string[]) {
  assert.equal((await describe(sender, campaignId)).state, state);
  const done = { start: "started", pause: "paused", resume: "resumed", cancel: "cancelled" };
  for (const change of changes.filter((change) => !allowed.includes(change))) {
    const refused = await refusal(sender, `${change}_campaign`, { campaignId });
    const message = `A campaign that is ${state} cannot be ${done[change]}`;
    assert.deepEqual(refused, conflict(message));
  }
  if (state === "draft") return;
  const part = { campaignId, part: 0, receiverIds: ["one more"] };
  assert.deepEqual(
    await refusal(sender, "add_campaign_receivers", part),
    conflict("A campaign takes no more receivers once it has been started"),
  );
}

test("what its state does not allow is a conflict", async () => {
  const sender = await contractor(server, "strict");
  const receiverIds = crowd("strict");
  const empty = await draft(sender, "nobody");
  await checkRefuses(sender, empty, "draft", ["start", "cancel"]);
  assert.deepEqual(
    await refusal(sender, "start_campaign", { campaignId: empty }),
    conflict("The campaign has no receivers"),
  );
  const sendAt = new Date(Date.now() + 3_600_000).toISOString();
  const later = await prepare(sender, receiverIds, "later", { sendAt });
  await start(sender, later);
  await checkRefuses(sender, later, "scheduled", ["pause", "cancel"]);

  const campaignId = await startAndHold(sender, receiverIds, "strictly");
  await checkRefuses(sender, campaignId, "running", ["pause", "cancel"]);
  await request(sender, "pause_campaign", { campaignId });
  await checkRefuses(sender, campaignId, "paused", ["resume", "cancel"]);
  await request(sender, "resume_campaign", { campaignId });
  const finished = ended(sender, campaignId);
  gate.open(receiverIds[4]);
  await finished;
  await checkRefuses(sender, campaignId, "finished", []);
  await request(sender, "cancel_campaign", { campaignId: later });
  await checkRefuses(sender, later, "cancelled", []);
});

test("one runs at a time, and a scheduled one waits for it", async () => {
  const sender = await contractor(server, "one by one");
  const receiverIds = crowd("one");
  const first = await startAndHold(sender, receiverIds, "first");
  const second = await prepare(sender, [receiverIds[0]], "second");
  const taken = conflict("Another campaign is running");
  assert.deepEqual(await refusal(sender, "start_campaign", { campaignId: second }), taken);
  assert.equal((await describe(sender, second)).state, "draft");

  const sendAt = new Date(Date.now() + 500).toISOString();
  const waiting = await prepare(sender, [receiverIds[1]], "waiting", { sendAt });
  const finished = ended(sender, waiting);
  await start(sender, waiting);
  const isHeld = async () => (await describe(sender, waiting)).reason === taken.message;
  await until(isHeld, "the scheduled campaign waits");
  const { state, startedAt } = await describe(sender, waiting);
  assert.deepEqual([state, startedAt], ["scheduled", null]);
  gate.open(receiverIds[4]);
  const { sent, reason } = await finished;
  assert.deepEqual([sent, reason], [1, null]);
  assert.equal((await describe(sender, first)).state, "finished");
});

test("receivers of a day", async () => {
  const sender = await contractor(server, "eager");
  const receiverIds = crowd("eager");
  const tooLarge = await prepare(
    sender,
    Array.from({ length: PER_DAY + 1 }, (_, index) => `nobody${index}`),
    "too large",
  );
  assert.equal(
    (await refusal(sender, "start_campaign", { campaignId: tooLarge })).code,
    "too_many",
  );
  await run(sender, receiverIds, "nine");
  const four = await prepare(sender, receiverIds.slice(0, 4), "four");
  const refused = await refusal(sender, "start_campaign", { campaignId: four });
  assert.equal(refused.code, "rate_limited");
  const untilMidnight = 86_400_000 - (Date.now() % 86_400_000);
  assert.ok(Math.abs((refused.retryAfterMs ?? 0) - untilMidnight) < 60_000);
  assert.equal((await run(sender, receiverIds.slice(0, 3), "three")).sent, 3);
  await addPart(sender, four, 0, [receiverIds[0]]);
  assert.equal(
    (await refusal(sender, "start_campaign", { campaignId: four })).code,
    "rate_limited",
  );
});

test("progress is pushed at most once in CAMPAIGN_PROGRESS_MS", async () => {
  const sender = await contractor(server, "watcher");
  const receiverIds = crowd("watched");
  const pushes = record(sender, "campaign_progress");
  const { campaignId } = await run(sender, receiverIds, "watched");
  assert.deepEqual(
    pushes.map(([, { campaignId, sent }]) => [campaignId, sent]),
    [[campaignId, 0]],
  );
  // A change that somebody else makes is not progress, and shows at once.
  const other = await contractor(server, "watcher");
  const next = await draft(sender, "cancelled elsewhere");
  const shown = pushed(other, "campaign_progress", next);
  await request(sender, "cancel_campaign", { campaignId: next });
  assert.equal((await shown).state, "cancelled");
});
