import { html } from "lit-html";

import { signIn } from "../session.ts";
import { state } from "../store.ts";
import { submitting } from "./form.ts";
import { problem } from "./page.ts";

export const signInView = () => html`
  <main class="container narrow">
    <h1>Switchboard</h1>
    <p>See who is online, read and send messages, and watch every packet.</p>
    ${problem(state.problem)}
    <form @submit=${submitting(({ token }) => signIn(token ?? ""))}>
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
