// A campaign against the bulk sends that it consists of.

import type { Client } from "../load/client.ts";
import type { Copy } from "../load/ledger.ts";
import { openFilesLimit } from "../report/process.ts";
import { median } from "../report/results.ts";
import { FILES_PER_OBJECT, OTHER_FILES } from "./bench.ts";
import type { Bench, Scenario } from "./bench.ts";

const SENDS = 10;
const ROUNDS = 2;
/** How many receivers are added at a time. */
const PART = 2_000;

const size = (receivers: number) => receivers.toLocaleString("en");

/** 10,000, or fewer thousands if the system does not allow as many open files (`ulimit -n`). */
function largest() {
  const possible = (openFilesLimit() - OTHER_FILES) / FILES_PER_OBJECT;
  return Math.max(1_000, Math.min(10_000, Math.floor(possible / 1_000) * 1_000));
}

const RECEIVERS = largest();

async function sendOneByOne(bench: Bench, sender: Client, receiverIds: string[]) {
  const each = Math.ceil(receiverIds.length / SENDS);
  for (let first = 0; first < receiverIds.length; first += each) {
    const some = receiverIds.slice(first, first + each);
    await bench.sendBulk(sender, some, { areOnline: false });
  }
}

/** Creates a campaign with all its receivers. Returns its id. */
async function prepare(sender: Client, receiverIds: string[], text: string): Promise<string> {
  const plan = { messageType: "text", content: { text } };
  const { campaignId } = await sender.request("create_campaign", plan);
  for (let part = 0; part * PART < receiverIds.length; part++) {
    const ids = receiverIds.slice(part * PART, (part + 1) * PART);
    await sender.request("add_campaign_receivers", { campaignId, part, receiverIds: ids });
  }
  return campaignId;
}

/** Resolves when the campaign has finished. */
async function send(sender: Client, campaignId: string, receivers: number) {
  const finished = sender.nextEvent("campaign_finished");
  await sender.request("start_campaign", { campaignId });
  const campaign = await finished;
  if (campaign.state !== "finished" || campaign.sent !== receivers) {
    throw new Error(`a campaign to ${receivers}: ${JSON.stringify(campaign)}`);
  }
}

async function resultsOf(sender: Client, campaignId: string) {
  const results: Copy[] = [];
  let cursor: string | null = null;
  do {
    const page: any = await sender.request("get_campaign_results", { campaignId, cursor });
    results.push(...page.results);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return results;
}

/** Sends a campaign to receivers who are offline, and measures it from its start to its end. */
async function runCampaign(bench: Bench, sender: Client, receiverIds: string[]) {
  const text = bench.ledger.newText();
  const campaignId = await prepare(sender, receiverIds, text);
  await bench.time("campaign", () => send(sender, campaignId, receiverIds.length));
  const results = await resultsOf(sender, campaignId);
  bench.ledger.expectLater(sender.userId, receiverIds, text, results);
}

export const campaign: Scenario = {
  name: "campaign-10000",
  isSlow: true,
  openFiles: RECEIVERS * FILES_PER_OBJECT + OTHER_FILES,
  rows: {
    bulks: {
      name: `${SENDS} bulks to ${size(RECEIVERS / SENDS)} offline, one by one`,
      unit: "ms",
      meaning: "until the sender has the last reply; the receivers have objects",
    },
    campaign: {
      name: `campaign to ${size(RECEIVERS)} offline`,
      unit: "ms",
      meaning:
        "from start_campaign until campaign_finished, to the same receivers; only the product has campaigns",
    },
    ratio: {
      name: `campaign to ${size(RECEIVERS)}, compared with ${SENDS} bulks`,
      unit: "",
      meaning: "the ratio of the medians of both, on the same server in turn",
    },
  },
  async run(bench) {
    const sender = await bench.contractor();
    const receiverIds = bench.ids("receiver", bench.size(RECEIVERS, 20));
    await bench.target.addUsers(receiverIds);
    // From now on nobody is a first contact.
    await sendOneByOne(bench, sender, receiverIds);
    for (let round = 0; round < bench.size(ROUNDS, 1); round++) {
      await bench.time("bulks", () => sendOneByOne(bench, sender, receiverIds));
      if (bench.target.hasCampaigns) await runCampaign(bench, sender, receiverIds);
    }
    if (bench.target.hasCampaigns) {
      bench.record("ratio", median(bench.samples.campaign) / median(bench.samples.bulks));
    }
    // What they have missed arrives with their connect.
    const some = receiverIds.slice(0, bench.size(50, 5));
    for (const id of some) bench.ledger.awaitMissed(id);
    await bench.connectAll(some);
  },
};
