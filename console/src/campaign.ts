// Sends a message as a campaign: creates it, gives it its receivers in parts, and starts it.

import type { Campaign } from "switchboard-events";

import { takeOne } from "./campaigns.ts";
import { ask } from "./requests.ts";
import { change, state } from "./store.ts";
import type { Draft } from "./store.ts";

/** So many ids fit into the server's default for a request, whatever they are: an id has up to 128 characters. */
const receiversPerPart = 1_000;

const maxNameLength = 60;

/** A campaign is called by the beginning of its message. */
function nameFrom(text: string): string {
  const [firstLine = ""] = text.trim().split(/\r\n?|\n/);
  return [...firstLine].slice(0, maxNameLength).join("");
}

const show = (added: number) => change({ bulk: { ...state.bulk, added } });

async function create({ text, jobId }: Draft): Promise<string | null> {
  const created = await ask("create_campaign", {
    name: nameFrom(text),
    messageType: "text",
    content: { text: text.trim() },
    jobId: jobId.trim() || null,
  });
  return created?.campaignId ?? null;
}

/** Returns the campaign that an earlier attempt has created, unless it was cancelled since, or a new one. */
async function campaignOf(draft: Draft) {
  // The draft remembers it, so that another attempt goes on with this campaign and nobody gets the message twice.
  draft.campaignId ??= await create(draft);
  if (!draft.campaignId) return null;
  const campaign = await ask("get_campaign", { campaignId: draft.campaignId });
  if (campaign?.state !== "cancelled") return campaign;
  draft.campaignId = null;
  return campaignOf(draft);
}

/** Adds the receivers to a campaign; a repeated part replaces itself. Returns whether all of them were added. */
async function addReceivers(campaignId: string, receiverIds: string[]): Promise<boolean> {
  for (let part = 0; part * receiversPerPart < receiverIds.length; part++) {
    const from = part * receiversPerPart;
    const some = receiverIds.slice(from, from + receiversPerPart);
    show(from);
    const added = await ask("add_campaign_receivers", { campaignId, part, receiverIds: some });
    if (!added) return false;
  }
  return true;
}

async function start({ campaignId }: Campaign, receiverIds: string[]): Promise<Campaign | null> {
  const areAdded = await addReceivers(campaignId, receiverIds);
  return areAdded ? ask("start_campaign", { campaignId }) : null;
}

/** Sends a message as a campaign. Returns whether the campaign has started. */
export async function sendCampaign(draft: Draft, receiverIds: string[]): Promise<boolean> {
  show(0);
  const campaign = await campaignOf(draft);
  if (!campaign) return false;
  takeOne(campaign);
  // Unless an earlier attempt has started it, and only the answer was lost.
  const started = campaign.state === "draft" ? await start(campaign, receiverIds) : campaign;
  if (!started) return false;
  takeOne(started);
  show(receiverIds.length);
  return true;
}
