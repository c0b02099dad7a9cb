// The current problem, until it is dismissed.

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

/** The alert element is always present, so that screen readers announce its changes. */
export const problemView = () =>
  html`<div role="alert">${state.problem === null ? "" : message(state.problem)}</div>`;
