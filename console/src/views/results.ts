// The table of what became of the receivers of a message.

import { html } from "lit-html";
import type { BulkError, BulkResult } from "switchboard-events";

const row = (receiverId: string, outcome: string, isFailed: boolean) => html`
  <tr>
    <td dir="auto">${receiverId}</td>
    <td class=${isFailed ? "failed" : ""}>${outcome}</td>
  </tr>
`;

const outcomeOf = (delivered: boolean) =>
  delivered ? "delivered" : "stored, comes with the next connect";

export const resultTable = (results: BulkResult[], errors: BulkError[]) => html`
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
