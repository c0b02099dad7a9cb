// The dialog that asks before a link signs in a different user.

import { html } from "lit-html";

import { focusNext } from "../focus.ts";
import { signIn } from "../session.ts";
import { change } from "../store.ts";
import type { Me } from "../store.ts";

const decline = () => change({ offered: null });

/** Closes the dialog, which returns the focus to where it was. */
const close = (event: Event) => (event.currentTarget as Element).closest("dialog")?.close();

function accept({ token }: Me) {
  signIn(token);
  focusNext("h1");
}

export const offerView = (me: Me, offered: Me) => html`
  <dialog aria-labelledby="offer-title" @close=${decline}>
    <article>
      <h2 id="offer-title">Sign in as <bdi>${offered.userId}</bdi>?</h2>
      <p>
        The link is for <bdi>${offered.userId}</bdi>. You are signed in as <bdi>${me.userId}</bdi>.
      </p>
      <footer>
        <button type="button" class="secondary" @click=${close}>
          Stay <bdi>${me.userId}</bdi>
        </button>
        <button type="button" @click=${() => accept(offered)}>
          Sign in as <bdi>${offered.userId}</bdi>
        </button>
      </footer>
    </article>
  </dialog>
`;
