// Campaigns over HTTP: the same steps as events, for the marketplace's own servers.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { ended } from "./support/campaigns.ts";
import { closeAll, connect, contractor, until } from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const API_KEY = "a key for the backend, of 40 characters..";
const MAX_PAYLOAD_BYTES = 20_000;
const receiverIds = Array.from({ length: 5 }, (_, index) => `customer${index}`);

let server: Server;
before(async () => {
  const vars = { API_KEY, CAMPAIGN_CHUNK: 3, MAX_CAMPAIGN_RECEIVERS: 100, MAX_PAYLOAD_BYTES };
  server = await startServer({ vars });
  for (const id of receiverIds) await server.addUser(id);
  for (const id of ["contractor1", "other"]) await server.addUser(id, "contractor");
});
afterEach(closeAll);
after(() => server.close());

type Answer = [status: number, body: any];

async function call(method: string, path: string, body?: string, headers = {}): Promise<Answer> {
  const response = await fetch(`${server.url}/v1/campaigns${path}`, {
    method,
    headers: { Authorization: `Bearer ${API_KEY}`, ...headers },
    body,
  });
  const text = await response.text();
  return [response.status, text && JSON.parse(text)];
}

const lines = (ids: string[]) => ids.map((id) => `${JSON.stringify(id)}\n`).join("");
const planned = (more: object = {}) =>
  JSON.stringify({
    senderId: "contractor1",
    messageType: "text",
    content: { text: "from the backend" },
    ...more,
  });

async function create(more: object = {}): Promise<string> {
  const [status, { campaignId }] = await call("POST", "", planned(more));
  assert.equal(status, 201);
  return campaignId;
}

const by = (senderId: string) => `?senderId=${senderId}`;
const own = by("contractor1");

test("from a draft to its results", async () => {
  const customer = await connect(server, "customer3");
  const device = await contractor(server);
  const campaignId = await create({ name: "May" });
  const put = (part: number, ids: string[]) =>
    call("PUT", `/${campaignId}/receivers/${part}${own}`, lines(ids), {
      "Content-Type": "application/x-ndjson",
    });
  assert.deepEqual(await put(0, ["nobody"]), [200, { campaignId, part: 0, total: 1 }]);
  assert.deepEqual(await put(0, receiverIds), [200, { campaignId, part: 0, total: 5 }]);
  assert.deepEqual(await put(7, ["ü/ 1%"]), [200, { campaignId, part: 7, total: 6 }]);
  const finished = ended(device, campaignId);
  const [status, started] = await call("POST", `/${campaignId}/start${own}`);
  assert.deepEqual([status, started.state, started.total], [200, "running", 6]);
  const campaign = await finished;
  assert.deepEqual(await call("GET", `/${campaignId}${own}`), [200, campaign]);
  assert.deepEqual([campaign.sent, campaign.failed], [5, 1]);
  await until(() => customer.texts.includes("from the backend"), "the message");

  const [, first] = await call("GET", `/${campaignId}/results${own}`);
  const cursor = `&cursor=${first.nextCursor}`;
  const [, second] = await call("GET", `/${campaignId}/results${own}${cursor}`);
  assert.equal(second.nextCursor, null);
  const results = [...first.results, ...second.results];
  assert.deepEqual(
    results.map(({ receiverId, delivered }) => [receiverId, delivered]),
    receiverIds.map((id) => [id, id === "customer3"]),
  );
  assert.deepEqual(second.errors, [{ receiverId: "ü/ 1%", error: "Receiver not found" }]);
});

test("the list", async () => {
  await server.addUser("lister", "contractor");
  const ids = [await create({ senderId: "lister" }), await create({ senderId: "lister" })];
  const [, newest] = await call("GET", `${by("lister")}&limit=1`);
  assert.equal(newest.items[0].campaignId, ids[1]);
  const [, oldest] = await call("GET", `${by("lister")}&cursor=${newest.nextCursor}`);
  assert.deepEqual([oldest.items[0].campaignId, oldest.nextCursor], [ids[0], null]);
});

test("paused, resumed and cancelled before its time", async () => {
  const sendAt = new Date(Date.now() + 3_600_000).toISOString();
  const campaignId = await create({ sendAt });
  await call("PUT", `/${campaignId}/receivers/0${own}`, lines(receiverIds));
  const states: [change: string, state: string][] = [
    ["start", "scheduled"],
    ["pause", "paused"],
    ["resume", "scheduled"],
    ["cancel", "cancelled"],
  ];
  for (const [change, state] of states) {
    const [status, campaign] = await call("POST", `/${campaignId}/${change}${own}`);
    assert.deepEqual([status, campaign.state], [200, state]);
    const [again, problem] = await call("POST", `/${campaignId}/${change}${own}`);
    assert.deepEqual([again, problem.code], [409, "conflict"]);
  }
});

test("what is refused, and how", async () => {
  const campaignId = await create();
  const refused = async (...[method, path, body]: [string, string, string?]) => {
    const [status, { code }] = await call(method, path, body);
    return [status, code];
  };
  const receivers = (part: string, body: string) =>
    refused("PUT", `/${campaignId}/receivers/${part}${own}`, body);
  const invalid = [400, "invalid_payload"];
  assert.deepEqual(await receivers("1000", lines(["a"])), invalid);
  assert.deepEqual(await receivers("x", lines(["a"])), invalid);
  assert.deepEqual(await receivers("0", ""), invalid);
  assert.deepEqual(await receivers("0", "not JSON"), invalid);
  const many = Array.from({ length: 101 }, (_, index) => `${index}`);
  assert.deepEqual((await receivers("0", lines(many)))[1], "too_many");
  assert.equal((await receivers("0", lines(["x".repeat(MAX_PAYLOAD_BYTES)])))[0], 413);
  const past = planned({ sendAt: "2020-01-01T00:00:00Z" });
  assert.deepEqual(await refused("POST", "", past), invalid);
  assert.deepEqual(await refused("POST", "", planned({ senderId: "customer0" })), [
    403,
    "forbidden",
  ]);
  assert.deepEqual(await refused("GET", `/${campaignId}`), invalid);
  assert.deepEqual(await refused("GET", `/none${own}`), invalid);
  const notFound = [404, "not_found"];
  assert.deepEqual(await refused("GET", `/${campaignId}${by("other")}`), notFound);
  assert.deepEqual(await refused("POST", `/${campaignId}/start${by("other")}`), notFound);
  assert.deepEqual(await refused("GET", `/${campaignId}${by("stranger")}`), notFound);
  assert.deepEqual(await refused("POST", `/${campaignId}/restart${own}`), notFound);
  assert.deepEqual(await refused("POST", `/${campaignId}/start${own}`), [409, "conflict"]);
});

test("each scope opens its own part", async () => {
  const campaignId = await create();
  const requests: Record<string, [method: string, path: string, body?: string][]> = {
    "messages:send": [
      ["POST", "", planned({ content: null })],
      ["PUT", `/${campaignId}/receivers/0${own}`, lines(["customer0"])],
      ...["pause", "resume", "cancel", "start"].map((change): [string, string] => [
        "POST",
        `/${campaignId}/${change}${own}`,
      ]),
    ],
    "messages:read": [
      ["GET", own],
      ["GET", `/${campaignId}${own}`],
      ["GET", `/${campaignId}/results${own}`],
    ],
  };
  for (const scope of Object.keys(requests)) {
    const token = server.token("backend", { aud: "switchboard", scope });
    for (const [needed, all] of Object.entries(requests)) {
      for (const [method, path, body] of all) {
        const answer = await call(method, path, body, { Authorization: `Bearer ${token}` });
        const isRefused = answer[0] === 403;
        assert.equal(isRefused, scope !== needed, `${scope}: ${method} ${path}`);
      }
    }
  }
});
