// Steps of a campaign, as a contractor's device takes them.

import type { Campaign, CampaignResults, PayloadOf } from "switchboard-events";

import { next, request } from "./clients.ts";
import type { Client } from "./clients.ts";

type Plan = Partial<PayloadOf<"create_campaign">>;

/** Returns the payload of a campaign with a text message. */
export const planOf = (text: string, more: Plan = {}) =>
  ({ messageType: "text", content: { text }, ...more }) as PayloadOf<"create_campaign">;

/** Creates a campaign without receivers. Returns its id. */
export async function draft(sender: Client, text: string, more: Plan = {}) {
  const { campaignId } = await request(sender, "create_campaign", planOf(text, more));
  return campaignId;
}

export const addPart = (sender: Client, campaignId: string, part: number, receiverIds: string[]) =>
  request(sender, "add_campaign_receivers", { campaignId, part, receiverIds });

/** Creates a campaign to these receivers. Returns its id. */
export async function prepare(
  sender: Client,
  receiverIds: string[],
  text: string,
  more: Plan = {},
) {
  const campaignId = await draft(sender, text, more);
  await addPart(sender, campaignId, 0, receiverIds);
  return campaignId;
}

export const start = (sender: Client, campaignId: string) =>
  request(sender, "start_campaign", { campaignId });

export const describe = (sender: Client, campaignId: string) =>
  request(sender, "get_campaign", { campaignId });

/** Resolves to the first push about the campaign that is as wanted. */
export function pushed(
  socket: Client,
  event: "campaign_progress" | "campaign_finished",
  campaignId: string,
  isWanted: (campaign: Campaign) => boolean = () => true,
) {
  return new Promise<Campaign>((resolve) => {
    const take = (campaign: Campaign) => {
      if (campaign.campaignId !== campaignId || !isWanted(campaign)) return;
      socket.off(event, take);
      resolve(campaign);
    };
    socket.on(event, take);
  });
}

/** Resolves when the campaign has ended, which must not have happened before. */
export const ended = (socket: Client, campaignId: string) =>
  pushed(socket, "campaign_finished", campaignId);

/** Sends a campaign from beginning to end. Returns how it has ended. */
export async function run(sender: Client, receiverIds: string[], text: string, more: Plan = {}) {
  const campaignId = await prepare(sender, receiverIds, text, more);
  const finished = ended(sender, campaignId);
  await start(sender, campaignId);
  return finished;
}

/** Returns the pages of a campaign's results. */
export async function pagesOf(sender: Client, campaignId: string) {
  const pages: CampaignResults[] = [];
  let cursor: string | null = null;
  do {
    const page: CampaignResults = await request(sender, "get_campaign_results", {
      campaignId,
      cursor,
    });
    pages.push(page);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return pages;
}

/** Returns all results of a campaign. */
export async function resultsOf(sender: Client, campaignId: string) {
  const pages = await pagesOf(sender, campaignId);
  return {
    results: pages.flatMap(({ results }) => results),
    errors: pages.flatMap(({ errors }) => errors),
  };
}
