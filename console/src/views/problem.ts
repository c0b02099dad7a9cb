// What went wrong, until it is put away.

import { html } from "lit-html";

import { focusNext } from "../focus.ts";
import { change, state } from "../store.ts";

function dismiss() {
  change({ problem: null });
  focusNext("h1");
}

const message = (text: string) => html`
  <div class="problem">
    <span dir="auto">${text}</span>
    <button type="button" class="secondary outline small" @click=${dismiss}>Dismiss</button>
  </div>
`;

/** The alert is always there, so that what comes into it is read out. */
export const problemView = () =>
  html`<div role="alert">${state.problem === null ? "" : message(state.problem)}</div>`;
