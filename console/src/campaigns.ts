// The contractor's campaigns: their list, how they stand, and what becomes of their receivers.

import type { Campaign, SwitchboardSocket } from "switchboard-events";

import { load as loadConversations } from "./conversations.ts";
import { focusNext, hasFocus } from "./focus.ts";
import { ask } from "./requests.ts";
import { change, state } from "./store.ts";
import { refresh } from "./thread.ts";

/** Each campaign of a page costs a request to its object. */
const pageSize = 10;

export const isEnded = ({ state }: Campaign) => state === "finished" || state === "cancelled";

/** The ids of campaigns are in the order of their creation. */
export const newestFirst = (): Campaign[] =>
  [...state.campaigns.values()].sort((one, other) => (one.campaignId < other.campaignId ? 1 : -1));

/** Shows how a campaign stands. */
export function takeOne(campaign: Campaign) {
  const { campaignId } = campaign;
  state.campaigns.set(campaignId, campaign);
  // The buttons for its commands disappear.
  const place = `[data-campaign="${campaignId}"]`;
  if (isEnded(campaign) && hasFocus(`${place} .commands`)) focusNext(`${place} h3`);
  change();
}

export function listen(socket: SwitchboardSocket) {
  socket.on("campaign_progress", takeOne);
  socket.on("campaign_finished", (campaign) => {
    takeOne(campaign);
    void loadConversations();
    void refresh();
  });
}

async function loadPage(cursor: string | null): Promise<boolean> {
  const before = new Map(state.campaigns);
  const page = await ask("get_campaigns", { limit: pageSize, cursor });
  if (!page) return false;
  for (const campaign of page.items) {
    const { campaignId } = campaign;
    // What was pushed in the meantime is newer.
    if (state.campaigns.get(campaignId) === before.get(campaignId)) {
      state.campaigns.set(campaignId, campaign);
    }
  }
  change({ moreCampaigns: page.nextCursor });
  return true;
}

/** Loads the newest campaigns. Returns whether that succeeded. */
export const load = () => loadPage(null);

/** Progress that was missed is not sent again. */
export function loadRunning() {
  if (newestFirst().some((campaign) => !isEnded(campaign))) void load();
}

export const loadMore = () => loadPage(state.moreCampaigns);

type Command = "pause_campaign" | "resume_campaign" | "cancel_campaign";

export async function command(event: Command, { campaignId }: Campaign) {
  const campaign = await ask(event, { campaignId });
  if (campaign) takeOne(campaign);
}

/** Loads the results of a campaign, page by page. */
export async function loadOutcomes(campaignId: string) {
  const { me, outcomes } = state;
  const before = outcomes?.campaignId === campaignId ? outcomes : null;
  const page = await ask("get_campaign_results", { campaignId, cursor: before?.more ?? null });
  // In the meantime another page may have been asked for.
  if (!page || state.outcomes !== outcomes || state.me !== me) return;
  const results = [...(before?.results ?? []), ...page.results];
  const errors = [...(before?.errors ?? []), ...page.errors];
  change({ outcomes: { campaignId, results, errors, more: page.nextCursor } });
}

export const hideOutcomes = () => change({ outcomes: null });
