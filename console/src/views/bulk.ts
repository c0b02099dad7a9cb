// The form for a bulk message, and its result.

import { html } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import type { BulkMessageSent } from "switchboard-events";

import { receiversOf, sendBulk } from "../bulk.ts";
import { draftOf, edit, submit, toMany } from "../drafts.ts";
import { isConnected, state } from "../store.ts";
import type { Draft } from "../store.ts";
import { editing, submitting } from "./form.ts";

const isSending = () => state.sending.has(toMany);

const plural = (count: number) => (count === 1 ? "1 receiver" : `${count} receivers`);

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

const row = (receiverId: string, outcome: string, isFailed: boolean) => html`
  <tr>
    <td dir="auto">${receiverId}</td>
    <td class=${isFailed ? "failed" : ""}>${outcome}</td>
  </tr>
`;

const outcomeOf = (delivered: boolean) =>
  delivered ? "delivered" : "stored, comes with the next connect";

const resultTable = ({ results, errors }: BulkMessageSent) => html`
  <div class="overflow-auto results" role="region" aria-label="Result per receiver" tabindex="0">
    <table>
      <thead>
        <tr>
          <th scope="col">Receiver</th>
          <th scope="col">Outcome</th>
        </tr>
      </thead>
      <tbody>
        ${results.map(({ receiverId, delivered }) => row(receiverId, outcomeOf(delivered), false))}
        ${errors.map(({ receiverId, error }) => row(receiverId, error, true))}
      </tbody>
    </table>
  </div>
`;

function summary() {
  const { total, result } = state.bulk;
  if (isSending()) return `Sending to ${plural(total)} …`;
  return result ? `${result.totalSent} sent, ${result.totalFailed} failed` : "";
}

const submitted = submitting(() => {
  if (receiversOf(draftOf(toMany)).length > 0) return submit(toMany, sendBulk);
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
  ${state.acquaintances.size > 0 ? choices() : ""}
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
  const { length } = receiversOf(draft);
  const isReady = length > 0 && draft.text.trim() !== "" && !isSending() && isConnected();
  return html`
    <article id="bulk" aria-labelledby="bulk-title">
      <h2 id="bulk-title">Message to many</h2>
      <p class="muted">
        Only contractors can send this. The server checks the role in its database, not in the
        token.
      </p>
      <form @submit=${submitted}>
        ${fields(draft)} ${preview(draft, length)}
        <button aria-disabled=${!isReady}>Send to ${plural(length)}</button>
      </form>
      ${isSending() ? html`<progress aria-label="Sending"></progress>` : ""}
      <p role="status" data-testid="bulk-summary">${summary()}</p>
      ${state.bulk.result ? resultTable(state.bulk.result) : ""}
    </article>
  `;
}
