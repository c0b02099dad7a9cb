import { html } from "lit-html";

import { signOut } from "../session.ts";
import { change, state } from "../store.ts";
import { bulkView } from "./bulk.ts";
import { connectionView } from "./connection.ts";
import { conversationsView } from "./conversations.ts";
import { logView } from "./log.ts";
import { peopleView } from "./people.ts";

/** What went wrong, until it is put away. */
export const problem = (text: string | null) =>
  text === null
    ? html`<div role="alert"></div>`
    : html`
        <div role="alert" class="problem">
          <span dir="auto">${text}</span>
          <button
            type="button"
            class="secondary outline small"
            @click=${() => change({ problem: null })}
          >
            Dismiss
          </button>
        </div>
      `;

/** The database decides who may; a token that says otherwise does not hide the form for nothing. */
const maySendToMany = () => state.me?.role !== "customer";

const links = () => [
  ["connection", "Connection"],
  ["people", "People"],
  ["conversations", "Conversations"],
  ...(maySendToMany() ? [["bulk", "Message to many"]] : []),
  ["log", "Packets"],
];

export const pageView = () => html`
  <header class="container">
    <div class="bar">
      <h1>Switchboard</h1>
      <span
        class=${state.status === "connected" ? "online" : "offline"}
        role="status"
        data-testid="status"
      >
        ${state.status}
      </span>
      <span>as <strong dir="auto">${state.me?.userId}</strong></span>
      <button type="button" class="secondary outline small" @click=${signOut}>Sign out</button>
    </div>
    <nav aria-label="Sections">
      <ul>
        ${links().map(([id, name]) => html`<li><a href="#${id}">${name}</a></li>`)}
      </ul>
    </nav>
  </header>
  <main class="container">
    ${problem(state.problem)}
    <div class="sections">
      ${connectionView()} ${peopleView()} ${conversationsView()}
      ${maySendToMany() ? bulkView() : ""} ${logView()}
    </div>
  </main>
`;
