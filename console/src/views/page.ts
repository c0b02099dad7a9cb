// The page of a signed-in user: its header and all sections.

import { html } from "lit-html";
import { keyed } from "lit-html/directives/keyed.js";

import { focusNext } from "../focus.ts";
import { connectAgain } from "../requests.ts";
import { dropToken, signOut } from "../session.ts";
import { isConnected, maySendToMany, state } from "../store.ts";
import type { Me } from "../store.ts";
import { bulkView } from "./bulk.ts";
import { campaignsView } from "./campaigns.ts";
import { connectionView } from "./connection.ts";
import { conversationsView } from "./conversations.ts";
import { logView } from "./log.ts";
import { offerView } from "./offer.ts";
import { peopleView } from "./people.ts";
import { problemView } from "./problem.ts";

const links = (me: Me) => [
  ["connection", "Connection"],
  ["people", "People"],
  ["conversations", "Conversations"],
  ...(maySendToMany(me)
    ? [
        ["bulk", "Message to many"],
        ["campaigns", "Campaigns"],
      ]
    : []),
  ["log", "Packets"],
];

function leave() {
  signOut();
  focusNext("input");
}

function giveToken() {
  dropToken();
  focusNext("input");
}

function comeBack() {
  connectAgain();
  focusNext("h1");
}

function comebackView() {
  if (state.status !== "disconnected" || state.reconnection === "automatic") return "";
  if (state.reconnection === "needs token") {
    return html`<button type="button" class="small" @click=${giveToken}>Sign in again</button>`;
  }
  return html`<button type="button" class="small" @click=${comeBack}>Connect again</button>`;
}

const head = (me: Me) => html`
  <header class="container">
    <div class="bar">
      <h1 tabindex="-1">Switchboard</h1>
      <span class=${isConnected() ? "online" : "offline"} role="status" data-testid="status">
        ${state.status}
      </span>
      ${comebackView()}
      <span>as <strong dir="auto">${me.userId}</strong></span>
      <button type="button" class="secondary outline small" @click=${leave}>Sign out</button>
    </div>
    <nav aria-label="Sections">
      <ul>
        ${links(me).map(([id, name]) => html`<li><a href="#${id}">${name}</a></li>`)}
      </ul>
    </nav>
  </header>
`;

const page = (me: Me) => html`
  ${head(me)}
  <main class="container">
    ${problemView()}
    <div class="grid">${connectionView()} ${peopleView()}</div>
    ${conversationsView()} ${maySendToMany(me) ? [bulkView(), campaignsView()] : ""} ${logView()}
  </main>
  ${state.offered ? offerView(me, state.offered) : ""}
`;

/** Keyed by user, so that one user's field contents are not shown to the next. */
export const pageView = (me: Me) => html`${keyed(me.userId, page(me))}`;
