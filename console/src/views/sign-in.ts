// The form for signing in with a token.

import { html } from "lit-html";

import { focusNext } from "../focus.ts";
import { signIn } from "../session.ts";
import { state } from "../store.ts";
import { fieldOf, submitting } from "./form.ts";
import { problemView } from "./problem.ts";

const submitted = submitting((form) => {
  signIn(fieldOf(form, "token"));
  if (state.me) focusNext("h1");
});

export const signInView = () => html`
  <main class="container narrow">
    <h1 tabindex="-1">Switchboard</h1>
    <p>See who is online, read and send messages, and watch every packet.</p>
    ${problemView()}
    <form @submit=${submitted}>
      <label>
        Token
        <input name="token" type="password" required autocomplete="off" spellcheck="false" />
        <small>
          A JWT. <code>npm run --silent token -- customer1</code> prints one for work on this
          machine; <code>npm start</code> prints links that bring theirs along.
        </small>
      </label>
      <button>Sign in</button>
    </form>
  </main>
`;
