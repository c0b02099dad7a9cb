// The console page: state in store.ts, actions in session, people, messages and bulk, and views of it all.

import { render } from "lit-html";

import { drawChart } from "./chart.ts";
import { markRead } from "./messages.ts";
import { refreshWhileVisible } from "./people.ts";
import { linkedToken, rememberedToken, signIn } from "./session.ts";
import { change, onChange, state } from "./store.ts";
import { pageView } from "./views/page.ts";
import { signInView } from "./views/sign-in.ts";

/** "3 minutes ago" is so for a minute. */
const redrawEveryMs = 30_000;

/** Whether the end of the messages is in view, which is where new ones are to be. */
function isAtEnd(list: Element | null) {
  return !list || list.scrollHeight - list.scrollTop - list.clientHeight < 40;
}

const lastMessage = () => document.querySelector(".messages li:last-child");

function draw() {
  const list = document.querySelector(".messages");
  const last = lastMessage();
  const follows = isAtEnd(list);
  render(state.me ? pageView() : signInView(), document.body);
  drawChart();
  const now = document.querySelector(".messages");
  if (now && lastMessage() !== last && follows) now.scrollTop = now.scrollHeight;
}

onChange(draw);
document.addEventListener("visibilitychange", () => void markRead());
setInterval(change, redrawEveryMs);
refreshWhileVisible();

// A link that is opened where the page is already changes no more than the address's end.
addEventListener("hashchange", () => {
  const token = linkedToken();
  if (token) signIn(token);
});

const token = linkedToken() ?? rememberedToken();
if (token) signIn(token);
else change();
