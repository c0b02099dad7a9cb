import { html } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import type { Conversation, Message } from "switchboard-events";

import * as messages from "../messages.ts";
import { state } from "../store.ts";
import type { Thread } from "../store.ts";
import { sendOnEnter, submitting } from "./form.ts";
import { ago, fullTime } from "./time.ts";

/** What was written is shown as text, whatever it is: no link, no picture, no markup. */
function contentOf(message: Message): string {
  if (message.messageType === "text") return message.content.text;
  const { fileName, fileUrl } = message.content;
  return `[${message.messageType}] ${fileName ?? ""} ${fileUrl}`;
}

const peerOf = ({ participants }: Conversation) =>
  participants.find(({ id }) => id !== state.me?.userId) ?? participants[0];

const unread = (count: number) =>
  count === 0 ? "" : html`<mark>${count === 1_000 ? "1000+" : count} unread</mark>`;

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
        @click=${() => messages.open(conversationId)}
      >
        <span class="who" dir="auto">${peer?.name ?? peer?.id}</span>
        <span class="muted">${ago(updatedAt)}</span>
        <span class="excerpt" dir="auto">${contentOf(lastMessage)}</span>
        ${unread(unreadCount)}
      </button>
    </li>
  `;
};

/** How far an own message has got. */
function progress({ messageId, senderId }: Message, readUpTo: string) {
  if (senderId !== state.me?.userId) return "";
  if (messageId <= readUpTo) return "read";
  return state.delivered.has(messageId) ? "delivered" : "sent";
}

const messageView = (message: Message, readUpTo: string) => html`
  <li
    class=${message.senderId === state.me?.userId ? "mine" : "theirs"}
    data-message=${message.messageId}
  >
    <p class="text" dir="auto">${contentOf(message)}</p>
    <small class="muted">
      <time datetime=${message.timestamp}>${fullTime(message.timestamp)}</time>
      ${message.jobId ? html`· job <span dir="auto">${message.jobId}</span>` : ""}
      <span data-testid="progress">${progress(message, readUpTo)}</span>
    </small>
  </li>
`;

function send(to: Parameters<typeof messages.send>[0]) {
  return submitting(async ({ text }, form) => {
    if (!text) return;
    // What could not be sent stays to be sent again.
    if (await messages.send(to, text)) form.reset();
  });
}

function threadView({ conversationId, messages: list, older }: Thread) {
  const conversation = state.conversations.find((known) => known.conversationId === conversationId);
  const peer = conversation && peerOf(conversation);
  const name = peer?.name ?? peer?.id ?? "";
  const readUpTo = peer?.readUpTo ?? "";
  return html`
    <section class="thread" aria-label="Messages with ${name}">
      <h3 dir="auto">${name}</h3>
      ${
        older
          ? html`<button type="button" class="secondary outline small" @click=${messages.loadOlder}>
              Older messages
            </button>`
          : ""
      }
      <div class="messages" role="log" aria-label="Messages" tabindex="0">
        <ol>
          ${repeat(
            list,
            ({ messageId }) => messageId,
            (message) => messageView(message, readUpTo),
          )}
        </ol>
      </div>
      <p class="muted typing" role="status">
        ${state.typing.has(conversationId) ? `${name} is typing …` : ""}
      </p>
      <form @submit=${send({ conversationId })}>
        <textarea
          name="text"
          rows="2"
          required
          aria-label="Message"
          placeholder="Message (Enter sends)"
          @input=${() => messages.typing(conversationId)}
          @blur=${() => messages.stoppedTyping(conversationId)}
          @keydown=${sendOnEnter}
        ></textarea>
        <button>Send</button>
      </form>
    </section>
  `;
}

const beginning = submitting(async ({ receiverId, text }, form) => {
  if (!receiverId || !text) return;
  if (!(await messages.send({ receiverId }, text))) return;
  form.reset();
  form.closest("details")?.removeAttribute("open");
});

export const conversationsView = () => html`
  <article id="conversations" class="wide" aria-labelledby="conversations-title">
    <h2 id="conversations-title">Conversations</h2>
    <div class="mail">
      <div>
        <ul class="entries">
          ${repeat(state.conversations, ({ conversationId }) => conversationId, entry)}
        </ul>
        ${state.conversations.length === 0 ? html`<p class="muted">No conversations yet.</p>` : ""}
        ${
          state.moreConversations
            ? html`<button
                type="button"
                class="secondary outline small"
                @click=${messages.loadMore}
              >
                More
              </button>`
            : ""
        }
        <details>
          <summary>New conversation</summary>
          <form @submit=${beginning}>
            <label>To <input name="receiverId" required placeholder="User id" /></label>
            <label>Message <textarea name="text" rows="2" required></textarea></label>
            <button>Send</button>
          </form>
        </details>
      </div>
      ${state.thread ? threadView(state.thread) : html`<p class="muted">Open a conversation to read it.</p>`}
    </div>
  </article>
`;
