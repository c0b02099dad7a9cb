import { html } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { receiverIds } from "../bulk.ts";
import { unwatch, watch } from "../people.ts";
import { state } from "../store.ts";
import type { Person } from "../store.ts";
import { submitting } from "./form.ts";
import { ago, fullTime } from "./time.ts";

const devices = (count: number | null) => {
  if (count === null) return "";
  return count === 1 ? "1 device" : `${count} devices`;
};

function whereabouts({ isOnline, lastSeen, connectionCount }: Person) {
  if (isOnline) return html`${devices(connectionCount)}`;
  if (!lastSeen) return "was never here";
  return html`seen <time datetime=${lastSeen} title=${fullTime(lastSeen)}>${ago(lastSeen)}</time>`;
}

const personView = (person: Person) => html`
  <li data-user=${person.userId}>
    <span class="who" dir="auto">${person.userId}</span>
    <span class=${person.isOnline ? "online" : "offline"}>
      ${person.isOnline ? "online" : "offline"}
    </span>
    <span class="muted">${whereabouts(person)}</span>
    <button
      type="button"
      class="secondary outline small"
      aria-label="Remove ${person.userId}"
      @click=${() => unwatch(person.userId)}
    >
      Remove
    </button>
  </li>
`;

export const peopleView = () => html`
  <article id="people" aria-labelledby="people-title">
    <h2 id="people-title">People</h2>
    <form
      @submit=${submitting(({ ids }, form) => {
        form.reset();
        return watch(receiverIds(ids ?? ""));
      })}
    >
      <fieldset role="group">
        <input name="ids" required aria-label="User ids to watch" placeholder="User ids to watch" />
        <button>Watch</button>
      </fieldset>
    </form>
    <ul class="people" aria-live="polite">
      ${repeat(state.people.values(), ({ userId }) => userId, personView)}
    </ul>
    ${state.people.size === 0 ? html`<p class="muted">Nobody is watched yet.</p>` : ""}
  </article>
`;
