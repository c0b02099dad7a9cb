// The list of conversations, the form that starts a new one, and the open conversation.

import { html } from "lit-html";
import { keyed } from "lit-html/directives/keyed.js";
import { repeat } from "lit-html/directives/repeat.js";
import type { Conversation } from "switchboard-events";

import { loadMore, newestFirst, peerOf } from "../conversations.ts";
import { beginning, draftOf, edit, submit } from "../drafts.ts";
import { focusNext } from "../focus.ts";
import { send } from "../messages.ts";
import { isConnected, state } from "../store.ts";
import { open } from "../thread.ts";
import { editing, submitting } from "./form.ts";
import { contentOf, threadView } from "./thread.ts";
import { ago } from "./time.ts";

const unread = (count: number) =>
  count === 0 ? "" : html`<mark>${count === 1_000 ? "1000+" : count} unread</mark>`;

function choose(conversationId: string) {
  void open(conversationId);
  focusNext(".thread h3");
}

const entry = (conversation: Conversation) => {
  const { conversationId, lastMessage, unreadCount, updatedAt } = conversation;
  const peer = peerOf(conversation);
  return html`
    <li>
      <button
        type="button"
        class="entry"
        data-peer=${peer?.id ?? ""}
        aria-current=${state.thread?.conversationId === conversationId ? "true" : "false"}
        @click=${() => choose(conversationId)}
      >
        <span class="who" dir="auto">${peer?.name ?? peer?.id}</span>
        <span class="muted">${ago(updatedAt)}</span>
        <span class="excerpt" dir="auto">${contentOf(lastMessage)}</span>
        ${unread(unreadCount)}
      </button>
    </li>
  `;
};

const begin = submitting(async (form) => {
  const { receivers } = draftOf(beginning);
  const to = { receiverId: receivers.trim() };
  if (!(await submit(beginning, (draft) => send(to, draft)))) return;
  edit(beginning, { receivers: "" });
  form.closest("details")?.removeAttribute("open");
  focusNext(".thread textarea");
});

function beginningView() {
  const { receivers, text } = draftOf(beginning);
  return html`
    <details>
      <summary>New conversation</summary>
      <form @submit=${begin}>
        <label>
          To
          <input
            name="receivers"
            required
            placeholder="User id"
            .value=${receivers}
            @input=${editing(beginning)}
          />
        </label>
        <label>
          Message
          <textarea name="text" rows="2" .value=${text} @input=${editing(beginning)}></textarea>
        </label>
        <button aria-disabled=${!isConnected() || text.trim() === ""}>Send</button>
      </form>
    </details>
  `;
}

const moreView = () => html`
  <button type="button" class="secondary outline small" @click=${loadMore}>More</button>
`;

export const conversationsView = () => html`
  <article id="conversations" aria-labelledby="conversations-title">
    <h2 id="conversations-title">Conversations</h2>
    <div class="mail">
      <div>
        <ul class="entries">
          ${repeat(newestFirst(), ({ conversationId }) => conversationId, entry)}
        </ul>
        ${state.conversations.size === 0 ? html`<p class="muted">No conversations yet.</p>` : ""}
        ${state.moreConversations ? moreView() : ""} ${beginningView()}
      </div>
      ${
        state.thread
          ? keyed(state.thread.conversationId, threadView(state.thread))
          : html`<p class="muted">Open a conversation to read it.</p>`
      }
    </div>
  </article>
`;
