import { html } from "lit-html";
import type { BulkMessageSent } from "switchboard-events";

import { receiverIds, sendBulk } from "../bulk.ts";
import { change, state } from "../store.ts";
import { submitting } from "./form.ts";

/** What is being written, for the preview. */
const draft = { ids: "", text: "", jobId: "" };

function typed(event: Event) {
  const { name, value } = event.target as HTMLInputElement;
  if (name in draft) draft[name as keyof typeof draft] = value;
  change();
}

const known = () => {
  const peers = state.conversations.flatMap(({ participants }) => participants.map(({ id }) => id));
  const ids = new Set([...state.people.keys(), ...peers]);
  ids.delete(state.me?.userId ?? "");
  return [...ids];
};

function pick(id: string) {
  draft.ids = receiverIds(`${draft.ids}\n${id}`).join(", ");
  change();
}

const plural = (count: number) => (count === 1 ? "1 receiver" : `${count} receivers`);

const preview = (ids: string[]) => html`
  <section class="preview" aria-label="Preview">
    <p class="muted">
      To
      ${plural(ids.length)}${draft.jobId ? html`, job <span dir="auto">${draft.jobId}</span>` : ""}
    </p>
    <p class="text" dir="auto">${draft.text}</p>
  </section>
`;

const resultTable = ({ results, errors, totalSent, totalFailed }: BulkMessageSent) => html`
  <p role="status" data-testid="bulk-summary">${totalSent} sent, ${totalFailed} failed</p>
  <div class="overflow-auto" role="region" aria-label="Result per receiver" tabindex="0">
    <table>
      <thead>
        <tr>
          <th scope="col">Receiver</th>
          <th scope="col">Outcome</th>
        </tr>
      </thead>
      <tbody>
        ${results.map(
          ({ receiverId, delivered }) => html`
            <tr>
              <td dir="auto">${receiverId}</td>
              <td>${delivered ? "delivered" : "stored, comes with the next connect"}</td>
            </tr>
          `,
        )}
        ${errors.map(
          ({ receiverId, error }) => html`
            <tr>
              <td dir="auto">${receiverId}</td>
              <td class="failed">${error}</td>
            </tr>
          `,
        )}
      </tbody>
    </table>
  </div>
`;

const send = submitting(() =>
  sendBulk(receiverIds(draft.ids), draft.text.trim(), draft.jobId.trim() || null),
);

export function bulkView() {
  const ids = receiverIds(draft.ids);
  const { isSending, total, result } = state.bulk;
  return html`
    <article id="bulk" class="wide" aria-labelledby="bulk-title">
      <h2 id="bulk-title">Message to many</h2>
      <form @submit=${send} @input=${typed}>
        <label>
          Receivers
          <textarea
            name="ids"
            rows="3"
            required
            .value=${draft.ids}
            placeholder="User ids: one per line, or with commas between"
          ></textarea>
        </label>
        <section class="picks" aria-label="Add a receiver">
          ${known().map(
            (id) =>
              html`<button type="button" class="secondary outline small" @click=${() => pick(id)}>
                + ${id}
              </button>`,
          )}
        </section>
        <label
          >Job <input name="jobId" .value=${draft.jobId} placeholder="Job id (optional)"
        /></label>
        <label
          >Message <textarea name="text" rows="3" required .value=${draft.text}></textarea>
        </label>
        ${preview(ids)}
        <button ?disabled=${isSending || ids.length === 0}>Send to ${plural(ids.length)}</button>
      </form>
      ${isSending ? html`<progress aria-label="Sending to ${plural(total)}"></progress>` : ""}
      ${result ? resultTable(result) : ""}
    </article>
  `;
}
