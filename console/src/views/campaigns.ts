// The list of campaigns: how each stands, its commands, and its results.

import { html } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import type { Campaign } from "switchboard-events";

import {
  command,
  hideOutcomes,
  isEnded,
  loadMore,
  loadOutcomes,
  newestFirst,
} from "../campaigns.ts";
import { focusNext } from "../focus.ts";
import { isConnected, state } from "../store.ts";
import type { Outcomes } from "../store.ts";
import { plural } from "./count.ts";
import { resultTable } from "./results.ts";
import { fullTime } from "./time.ts";

const button = (text: string, name: string, act: () => unknown) => html`
  <button
    type="button"
    class="secondary outline small"
    aria-label="${text} ${name}"
    aria-disabled=${!isConnected()}
    @click=${act}
  >
    ${text}
  </button>
`;

/** One button pauses and resumes, so that it keeps the focus. */
function pauseOrResume(campaign: Campaign, name: string) {
  if (campaign.state === "draft") return "";
  const isPaused = campaign.state === "paused";
  const event = isPaused ? "resume_campaign" : "pause_campaign";
  return button(isPaused ? "Resume" : "Pause", name, () => command(event, campaign));
}

const commands = (campaign: Campaign, name: string) => html`
  <span class="commands">
    ${pauseOrResume(campaign, name)}
    ${button("Cancel", name, () => command("cancel_campaign", campaign))}
  </span>
`;

/** Returns when something happened to the campaign last, or will happen. */
function when({ createdAt, startedAt, finishedAt, sendAt }: Campaign) {
  if (finishedAt) return `ended ${fullTime(finishedAt)}`;
  if (startedAt) return `started ${fullTime(startedAt)}`;
  return sendAt ? `starts ${fullTime(sendAt)}` : `created ${fullTime(createdAt)}`;
}

async function loadMoreOutcomes(campaignId: string) {
  await loadOutcomes(campaignId);
  // The button disappears with the last page.
  if (!state.outcomes?.more) focusNext(`[data-campaign="${campaignId}"] .results`);
}

const outcomesView = ({ campaignId, results, errors, more }: Outcomes) => html`
  ${resultTable(results, errors)}
  ${
    more
      ? html`<button
          type="button"
          class="secondary outline small"
          @click=${() => loadMoreOutcomes(campaignId)}
        >
          More results
        </button>`
      : ""
  }
`;

function resultsButton({ campaignId }: Campaign, name: string) {
  const isShown = state.outcomes?.campaignId === campaignId;
  return html`
    <button
      type="button"
      class="secondary outline small"
      aria-label="Results of ${name}"
      aria-expanded=${isShown}
      @click=${() => (isShown ? hideOutcomes() : loadOutcomes(campaignId))}
    >
      Results
    </button>
  `;
}

function campaignView(campaign: Campaign) {
  const { campaignId, reason, total, sent, failed, delivered, startedAt } = campaign;
  const name = campaign.name ?? `Campaign of ${fullTime(campaign.createdAt)}`;
  return html`
    <li data-campaign=${campaignId}>
      <h3 dir="auto" tabindex="-1">${name}</h3>
      <p>
        <strong role="status">${campaign.state}</strong>
        <span class="muted">${when(campaign)}</span>
        ${reason ? html`<span class="failed">${reason}</span>` : ""}
      </p>
      <progress
        max=${total || 1}
        value=${sent + failed}
        aria-label="Progress of ${name}"
      ></progress>
      <p class="muted" data-testid="counts">
        ${plural(total)}: ${sent} sent, ${delivered} of them delivered at once, ${failed} failed
      </p>
      <div class="choices">
        ${isEnded(campaign) ? "" : commands(campaign, name)}
        ${startedAt ? resultsButton(campaign, name) : ""}
      </div>
      ${state.outcomes?.campaignId === campaignId ? outcomesView(state.outcomes) : ""}
    </li>
  `;
}

const moreView = () => html`
  <button type="button" class="secondary outline small" @click=${loadMore}>More campaigns</button>
`;

export const campaignsView = () => html`
  <article id="campaigns" aria-labelledby="campaigns-title">
    <h2 id="campaigns-title">Campaigns</h2>
    <ul class="campaigns">
      ${repeat(newestFirst(), ({ campaignId }) => campaignId, campaignView)}
    </ul>
    ${state.campaigns.size === 0 ? html`<p class="muted">No campaigns yet.</p>` : ""}
    ${state.moreCampaigns ? moreView() : ""}
  </article>
`;
