// The form for a message to many, and the result of a bulk send. Those of campaigns are in their list.

import { html } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { receiversOf, sendToMany } from "../bulk.ts";
import { draftOf, edit, submit, toMany } from "../drafts.ts";
import { isConnected, state } from "../store.ts";
import type { Draft } from "../store.ts";
import { plural } from "./count.ts";
import { editing, submitting } from "./form.ts";
import { dragged, dropped, fileField } from "./receiver-file.ts";
import { resultTable } from "./results.ts";

const isSending = () => state.sending.has(toMany);

function pick(id: string, event: Event) {
  const others = draftOf(toMany).picked.filter((picked) => picked !== id);
  const { checked } = event.currentTarget as HTMLInputElement;
  edit(toMany, { picked: checked ? [...others, id] : others });
}

const choice = (id: string) => html`
  <label>
    <input
      type="checkbox"
      .checked=${draftOf(toMany).picked.includes(id)}
      @change=${(event: Event) => pick(id, event)}
    />
    <bdi>${id}</bdi>
  </label>
`;

const choices = () => html`
  <fieldset class="choices">
    <legend>And of those you know</legend>
    ${repeat(
      [...state.acquaintances].filter((id) => id !== state.me?.userId),
      (id) => id,
      choice,
    )}
  </fieldset>
`;

const preview = ({ jobId, text }: Draft, count: number) => html`
  <section class="preview" aria-label="Preview">
    <p class="muted">To ${plural(count)}${jobId ? html`, job <bdi>${jobId}</bdi>` : ""}</p>
    <p class="text" dir="auto">${text}</p>
  </section>
`;

function summary() {
  const { total, result, added } = state.bulk;
  if (isSending() && added !== null) return `Preparing a campaign to ${plural(total)} …`;
  if (isSending()) return `Sending to ${plural(total)} …`;
  if (added === total) return `Too many for one send: a campaign to ${plural(total)}, below`;
  return result ? `${result.totalSent} sent, ${result.totalFailed} failed` : "";
}

function sendingView() {
  const { total, added } = state.bulk;
  if (added === null) return html`<progress aria-label="Sending"></progress>`;
  return html`<progress
    aria-label="Preparing the campaign"
    max=${total}
    value=${added}
  ></progress>`;
}

const submitted = submitting(() => {
  if (receiversOf(draftOf(toMany)).length > 0) return submit(toMany, sendToMany);
});

const fields = ({ receivers, jobId, text }: Draft) => html`
  <label>
    Receivers
    <textarea
      name="receivers"
      rows="3"
      .value=${receivers}
      @input=${editing(toMany)}
      placeholder="User ids: one per line, or with commas between"
    ></textarea>
  </label>
  ${state.acquaintances.size > 0 ? choices() : ""} ${fileField()}
  <label>
    Job
    <input name="jobId" .value=${jobId} @input=${editing(toMany)} placeholder="Job id (optional)" />
  </label>
  <label>
    Message
    <textarea name="text" rows="3" .value=${text} @input=${editing(toMany)}></textarea>
  </label>
`;

export function bulkView() {
  const draft = draftOf(toMany);
  const { result } = state.bulk;
  const { length } = receiversOf(draft);
  const isReady = length > 0 && draft.text.trim() !== "" && !isSending() && isConnected();
  return html`
    <article id="bulk" aria-labelledby="bulk-title">
      <h2 id="bulk-title">Message to many</h2>
      <p class="muted">
        Only contractors can send this. The server checks the role in its database, not in the
        token.
      </p>
      <form @submit=${submitted} @dragover=${dragged} @drop=${dropped}>
        ${fields(draft)} ${preview(draft, length)}
        <button aria-disabled=${!isReady}>Send to ${plural(length)}</button>
      </form>
      ${isSending() ? sendingView() : ""}
      <p role="status" data-testid="bulk-summary">${summary()}</p>
      ${result ? resultTable(result.results, result.errors) : ""}
    </article>
  `;
}
