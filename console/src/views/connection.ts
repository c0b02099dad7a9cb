// The connection and its round-trip times.

import { html } from "lit-html";
import { ref } from "lit-html/directives/ref.js";

import { mountChart } from "../chart.ts";
import { state } from "../store.ts";
import { pushView } from "./push.ts";

function roundTrips() {
  const all = state.samples.map(({ ms }) => ms);
  const last = all.at(-1);
  if (last === undefined) return "not measured yet";
  const ms = (value: number) => `${Math.round(value)} ms`;
  return `${ms(last)} (${ms(Math.min(...all))} to ${ms(Math.max(...all))})`;
}

function recovery() {
  if (state.recovered === null) return "not connected";
  return state.recovered ? "yes, nothing was missed" : "no, a new session";
}

export const connectionView = () => html`
  <article id="connection" aria-labelledby="connection-title">
    <h2 id="connection-title">Connection</h2>
    <dl>
      <dt>Transport</dt>
      <dd data-testid="transport">${state.transport ?? "none"}</dd>
      <dt>Session</dt>
      <dd><code>${state.sid ?? "none"}</code></dd>
      <dt>Recovered</dt>
      <dd data-testid="recovered">${recovery()}</dd>
      <dt>Round trip</dt>
      <dd data-testid="round-trip">${roundTrips()}</dd>
    </dl>
    <div
      class="chart"
      role="img"
      aria-label="Round-trip times: ${roundTrips()}"
      ${ref(mountChart)}
    ></div>
    ${pushView()}
  </article>
`;
