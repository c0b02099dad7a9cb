// The open conversation.

import { html } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import type { Message } from "switchboard-events";

import { peerOf } from "../conversations.ts";
import { draftOf, submit } from "../drafts.ts";
import { send } from "../messages.ts";
import { isConnected, state } from "../store.ts";
import type { Thread } from "../store.ts";
import { loadOlder } from "../thread.ts";
import { stoppedTyping, typing } from "../typing.ts";
import { editing, sendOnEnter, submitting } from "./form.ts";
import { fullTime } from "./time.ts";

/** Returns a message's content as plain text: no links, images or markup. */
export function contentOf(message: Message): string {
  if (message.messageType === "text") return message.content.text;
  const { fileName, fileUrl } = message.content;
  return `[${message.messageType}] ${fileName ?? ""} ${fileUrl}`;
}

/** Returns the status of an own message: sent, delivered or read. */
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

const olderView = () => html`
  <button type="button" class="secondary outline small" @click=${loadOlder}>Older messages</button>
`;

function composer(conversationId: string) {
  const edited = editing(conversationId);
  const written = (event: InputEvent) => {
    edited(event);
    typing(conversationId);
  };
  const submitted = submitting(() =>
    submit(conversationId, (draft) => send({ conversationId }, draft)),
  );
  return html`
    <form @submit=${submitted}>
      <textarea
        name="text"
        rows="2"
        aria-label="Message"
        placeholder="Message (Enter sends)"
        .value=${draftOf(conversationId).text}
        @input=${written}
        @blur=${() => stoppedTyping(conversationId)}
        @keydown=${sendOnEnter}
      ></textarea>
      <button aria-disabled=${!isConnected() || state.sending.has(conversationId)}>Send</button>
    </form>
  `;
}

export function threadView({ conversationId, messages, older, isLoaded }: Thread) {
  const conversation = state.conversations.get(conversationId);
  const peer = conversation && peerOf(conversation);
  const name = peer?.name ?? peer?.id ?? "";
  const readUpTo = peer?.readUpTo ?? "";
  return html`
    <section class="thread" aria-label="Messages with ${name}" aria-busy=${!isLoaded}>
      <h3 dir="auto" tabindex="-1">${name}</h3>
      ${older ? olderView() : ""}
      <div class="messages" role="log" aria-label="Messages" tabindex="0">
        <ol>
          ${repeat(
            messages,
            ({ messageId }) => messageId,
            (message) => messageView(message, readUpTo),
          )}
        </ol>
      </div>
      <p class="muted typing" role="status">
        ${state.typing.has(conversationId) ? html`<bdi>${name}</bdi> is typing …` : ""}
      </p>
      ${composer(conversationId)}
    </section>
  `;
}
