// The watched users and their presence.

import { html } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { idsIn } from "../bulk.ts";
import { focusNext } from "../focus.ts";
import { unwatch, watch } from "../people.ts";
import { isConnected, state } from "../store.ts";
import type { Person } from "../store.ts";
import { fieldOf, submitting } from "./form.ts";
import { ago, fullTime } from "./time.ts";

const submitted = submitting(async (form) => {
  // If the request fails, the input stays for another try.
  if (await watch(idsIn(fieldOf(form, "ids")))) form.reset();
});

function remove(userId: string) {
  void unwatch(userId);
  focusNext("#people input");
}

const devices = ({ isOnline, connectionCount }: Person) => {
  if (!isOnline || connectionCount === null) return "";
  return connectionCount === 1 ? "1 device, " : `${connectionCount} devices, `;
};

const seen = ({ lastSeen }: Person) =>
  lastSeen
    ? html`seen <time datetime=${lastSeen} title=${fullTime(lastSeen)}>${ago(lastSeen)}</time>`
    : "was never here";

const newsView = ({ userId, isOnline }: Person) =>
  html`<bdi>${userId}</bdi> is ${isOnline ? "online" : "offline"}`;

const personView = (person: Person) => html`
  <li data-user=${person.userId}>
    <span class="who" dir="auto">${person.userId}</span>
    <span class=${person.isOnline ? "online" : "offline"}>
      ${person.isOnline ? "online" : "offline"}
    </span>
    <span class="muted">${devices(person)}${seen(person)}</span>
    <button
      type="button"
      class="secondary outline small"
      aria-label="Remove ${person.userId}"
      @click=${() => remove(person.userId)}
    >
      Remove
    </button>
  </li>
`;

export const peopleView = () => html`
  <article id="people" aria-labelledby="people-title">
    <h2 id="people-title">People</h2>
    <form @submit=${submitted}>
      <fieldset role="group">
        <input name="ids" required aria-label="User ids to watch" placeholder="User ids to watch" />
        <button aria-disabled=${!isConnected()}>Watch</button>
      </fieldset>
    </form>
    <ul class="people">
      ${repeat(state.people.values(), ({ userId }) => userId, personView)}
    </ul>
    ${state.people.size === 0 ? html`<p class="muted">Nobody is watched yet.</p>` : ""}
    <p class="muted" role="status">${state.news ? newsView(state.news) : ""}</p>
  </article>
`;
