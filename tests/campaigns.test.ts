// Campaigns: prepared, started, watched, and asked for their results.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import {
  addPart,
  describe,
  draft,
  ended,
  pagesOf,
  planOf,
  prepare,
  resultsOf,
  run,
  start,
} from "./support/campaigns.ts";
import {
  closeAll,
  connect,
  contractor,
  next,
  record,
  refusal,
  request,
  until,
} from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const CHUNK = 3;
const customers = Array.from({ length: 10 }, (_, index) => `customer${index}`);

let server: Server;
before(async () => {
  const limits = { MAX_CAMPAIGN_RECEIVERS: 20, MAX_OPEN_CAMPAIGNS: 4 };
  server = await startServer({
    vars: { CAMPAIGN_CHUNK: CHUNK, CAMPAIGN_PROGRESS_MS: 0, ...limits },
  });
  for (const id of customers) await server.addUser(id);
});
afterEach(closeAll);
after(() => server.close());

test("a campaign from its draft to its results", async () => {
  const sender = await contractor(server);
  const online = [await connect(server, "customer1"), await connect(server, "customer1")];
  const blocker = await connect(server, "customer2");
  await request(blocker, "block_user", { userId: "contractor1" });

  const campaignId = await draft(sender, "hello", { name: "May", jobId: "job" });
  const created = await describe(sender, campaignId);
  assert.deepEqual(
    { ...created, createdAt: null },
    {
      campaignId,
      name: "May",
      state: "draft",
      reason: null,
      total: 0,
      sent: 0,
      failed: 0,
      delivered: 0,
      sendAt: null,
      createdAt: null,
      startedAt: null,
      finishedAt: null,
    },
  );
  await addPart(sender, campaignId, 0, customers);
  const added = await addPart(sender, campaignId, 1, ["nobody", "customer1"]);
  assert.deepEqual(added, { campaignId, part: 1, total: 12 });

  const finished = ended(sender, campaignId);
  const started = await start(sender, campaignId);
  assert.deepEqual([started.state, started.total], ["running", 11]);
  const campaign = await finished;
  const { total, sent, failed, delivered } = campaign;
  assert.deepEqual([total, sent, failed, delivered], [11, 9, 2, 1]);
  assert.equal(campaign.state, "finished");
  const { startedAt, finishedAt } = campaign;
  assert.ok(startedAt && finishedAt && startedAt <= finishedAt);
  assert.deepEqual(await describe(sender, campaignId), campaign);

  for (const { texts } of online) await until(() => texts.length === 1, "the message");
  const { results, errors } = await resultsOf(sender, campaignId);
  assert.deepEqual(errors, [
    { receiverId: "customer2", error: "Receiver is not accepting messages from you" },
    { receiverId: "nobody", error: "Receiver not found" },
  ]);
  assert.deepEqual(
    results.map(({ receiverId }) => receiverId),
    customers.filter((id) => id !== "customer2"),
  );
  for (const { receiverId, conversationId, messageId, delivered } of results) {
    assert.equal(delivered, receiverId === "customer1");
    const { items } = await request(sender, "get_messages", { conversationId });
    assert.deepEqual(
      items.map((item) => [item.messageId, item.receiverId]),
      [[messageId, receiverId]],
    );
  }
  await request(blocker, "unblock_user", { userId: "contractor1" });
});

test("a part that is added again replaces itself", async () => {
  const sender = await contractor(server);
  const campaignId = await draft(sender, "parts");
  await addPart(sender, campaignId, 5, ["customer0", "customer1", "customer2"]);
  await addPart(sender, campaignId, 0, ["customer3"]);
  const again = await addPart(sender, campaignId, 5, ["customer4", "customer3"]);
  assert.equal(again.total, 3);
  const finished = ended(sender, campaignId);
  assert.equal((await start(sender, campaignId)).total, 2);
  await finished;
  const { results } = await resultsOf(sender, campaignId);
  assert.deepEqual(
    results.map(({ receiverId }) => receiverId),
    ["customer3", "customer4"],
  );
});

test("a page of results is a chunk, and there are results while it runs", async () => {
  const sender = await contractor(server);
  const { campaignId } = await run(sender, customers.slice(0, 7), "pages");
  const pages = await pagesOf(sender, campaignId);
  assert.deepEqual(
    pages.map(({ results, nextCursor }) => [results.length, nextCursor]),
    [
      [CHUNK, "1"],
      [CHUNK, "2"],
      [1, null],
    ],
  );
  const none = await draft(sender, "no results yet");
  assert.deepEqual(await resultsOf(sender, none), { results: [], errors: [] });
  const last = await request(sender, "get_campaign_results", { campaignId, cursor: "2" });
  assert.deepEqual(last, pages[2]);
  await request(sender, "cancel_campaign", { campaignId: none });
});

test("the list is newest first, and each contractor's own", async () => {
  const sender = await contractor(server, "lister");
  const ids: string[] = [];
  for (const name of ["a", "b", "c"]) ids.unshift(await draft(sender, name, { name }));
  const first = await request(sender, "get_campaigns", { limit: 2 });
  assert.deepEqual(
    first.items.map(({ campaignId }) => campaignId),
    ids.slice(0, 2),
  );
  assert.deepEqual(first.items[0], await describe(sender, ids[0]));
  const { items, nextCursor } = await request(sender, "get_campaigns", {
    cursor: first.nextCursor,
  });
  assert.deepEqual([items.map(({ name }) => name), nextCursor], [["a"], null]);
  const other = await contractor(server, "other lister");
  assert.deepEqual(await request(other, "get_campaigns", {}), { items: [], nextCursor: null });
});

test("progress reaches all devices of the contractor, and nobody else", async () => {
  const devices = [await contractor(server), await contractor(server)];
  const receiver = await connect(server, "customer0");
  const [sender] = devices;
  const all = [...devices, receiver].map((one) =>
    record(one, "campaign_progress", "campaign_finished"),
  );
  const finished = devices.map((device) => next(device, "campaign_finished"));
  const { campaignId } = await run(sender, customers, "progress");
  await Promise.all(finished);
  assert.deepEqual(all[2], []);
  // Another device is told of the start, too; the device that started it has its reply.
  const sent = (events: (typeof all)[0]) => events.map(([, payload]) => payload.sent);
  assert.deepEqual(sent(all[0]), [0, 3, 6, 9, 10]);
  assert.deepEqual(
    sent(all[1]).sort((a, b) => a - b),
    [0, 0, 3, 6, 9, 10],
  );
  for (const events of all.slice(0, 2)) {
    assert.ok(events.every(([, payload]) => payload.campaignId === campaignId));
    assert.equal(events.at(-1)?.[0], "campaign_finished");
  }
});

test("a device that was offline recovers campaign_finished", async () => {
  const device = await contractor(server);
  const sender = await contractor(server);
  const { campaignId: earlier } = await run(sender, ["customer0"], "before");
  await until(() => device.events.some(([, { campaignId }]) => campaignId === earlier), "the end");
  device.io.engine.close();
  const { campaignId } = await run(sender, ["customer0"], "offline");
  const missed = ended(device, campaignId);
  const back = next(device, "connect");
  device.connect();
  await back;
  assert.equal(device.recovered, true);
  assert.equal((await missed).state, "finished");
});

test("a campaign is sent at its time", async () => {
  const sender = await contractor(server);
  const sendAt = new Date(Date.now() + 1_500).toISOString();
  const campaignId = await prepare(sender, ["customer0"], "later", { sendAt });
  const finished = ended(sender, campaignId);
  const scheduled = await start(sender, campaignId);
  assert.deepEqual([scheduled.state, scheduled.sendAt], ["scheduled", sendAt]);
  const { startedAt, state } = await finished;
  assert.equal(state, "finished");
  assert.ok(startedAt && startedAt >= sendAt, `${startedAt} is before ${sendAt}`);
});

const invalid = (message: string) => ({ code: "invalid_payload", message });

test("bad input is refused", async () => {
  const sender = await contractor(server);
  const at = (days: number) => new Date(Date.now() + days * 86_400_000 - 1_000).toISOString();
  const create = (sendAt: string) => refusal(sender, "create_campaign", planOf("no", { sendAt }));
  assert.deepEqual(await create(at(0)), invalid("sendAt must be in the future"));
  assert.deepEqual(await create(at(91)), invalid("sendAt must be at most 90 days ahead"));

  const campaignId = await draft(sender, "limits");
  const add = (part: unknown, receiverIds: string[]) =>
    refusal(sender, "add_campaign_receivers", { campaignId, part, receiverIds });
  assert.deepEqual(
    await add(1_000, ["customer0"]),
    invalid("part must be a whole number from 0 to 999"),
  );
  const many = (count: number) => Array.from({ length: count }, (_, index) => `many${index}`);
  assert.equal((await add(0, many(21))).code, "too_many");
  assert.equal((await addPart(sender, campaignId, 0, many(15))).total, 15);
  const tooMany = { code: "too_many", message: "A campaign must not have more than 20 receivers" };
  assert.deepEqual(await add(1, many(6)), tooMany);
  assert.equal((await addPart(sender, campaignId, 1, many(5))).total, 20);
  assert.equal((await addPart(sender, campaignId, 0, many(15))).total, 20);
  await request(sender, "cancel_campaign", { campaignId });
});

test("a contractor has so many open campaigns at most", async () => {
  const sender = await contractor(server, "busy");
  const ids: string[] = [];
  for (let count = 0; count < 4; count++) ids.push(await draft(sender, "open"));
  const create = () => refusal(sender, "create_campaign", planOf("one too many"));
  assert.deepEqual(await create(), {
    code: "too_many",
    message: "You must not have more than 4 campaigns that are not ended",
  });
  await request(sender, "cancel_campaign", { campaignId: ids[0] });
  await draft(sender, "in its place");
  assert.equal((await create()).code, "too_many");
});

const commands = [
  "start_campaign",
  "pause_campaign",
  "resume_campaign",
  "cancel_campaign",
  "get_campaign",
  "get_campaign_results",
] as const;

test("somebody else's campaign does not exist, and a customer has none", async () => {
  const owner = await contractor(server, "owner");
  const campaignId = await prepare(owner, ["customer0"], "mine");
  const notFound = { code: "not_found", message: "Campaign not found" };
  const others = [await contractor(server, "thief"), await connect(server, "customer0")];
  for (const other of others) {
    for (const command of commands) {
      assert.deepEqual(await refusal(other, command, { campaignId }), notFound, command);
    }
    const part = { campaignId, part: 0, receiverIds: ["customer1"] };
    assert.deepEqual(await refusal(other, "add_campaign_receivers", part), notFound);
  }
  assert.deepEqual(await refusal(others[1], "create_campaign", planOf("no")), {
    code: "forbidden",
    message: "Only contractors can send campaigns",
  });
  assert.equal((await describe(owner, campaignId)).state, "draft");
});
