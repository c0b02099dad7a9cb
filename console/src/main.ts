// The console page: state in store.ts, modules that change it, and views of it.

import { render } from "lit-html";

import { drawChart } from "./chart.ts";
import { moveFocus } from "./focus.ts";
import { keep } from "./kept.ts";
import { refreshWhileVisible } from "./people.ts";
import { signInAgain, signInByLink } from "./session.ts";
import { change, onChange, state } from "./store.ts";
import { markRead } from "./thread.ts";
import { pageView } from "./views/page.ts";
import { signInView } from "./views/sign-in.ts";

/** "3 minutes ago" is so for a minute. */
const redrawEveryMs = 30_000;

const list = () => document.querySelector(".messages");
const lastMessage = () => document.querySelector(".messages li:last-child");

/** Whether the end of the messages is in view, which is where new ones are to be. */
const isAtEnd = ({ scrollHeight, scrollTop, clientHeight }: Element) =>
  scrollHeight - scrollTop - clientHeight < 40;

/** Goes on to the end, unless somebody reads further up. */
function followMessages(before: Element | null, last: Element | null, wasAtEnd: boolean) {
  const now = list();
  if (!now || lastMessage() === last) return;
  if (wasAtEnd || now !== before) now.scrollTop = now.scrollHeight;
}

function draw() {
  const before = list();
  const last = lastMessage();
  const wasAtEnd = !before || isAtEnd(before);
  render(state.me ? pageView(state.me) : signInView(), document.body);
  drawChart();
  document.querySelector<HTMLDialogElement>("dialog:not([open])")?.showModal();
  moveFocus();
  followMessages(before, last, wasAtEnd);
}

onChange(draw);
document.addEventListener("visibilitychange", () => void markRead());
// Of the two, a phone that closes the tab sends only one.
for (const event of ["pagehide", "visibilitychange"]) addEventListener(event, keep);
setInterval(change, redrawEveryMs);
refreshWhileVisible();

// A link that is opened where the page is already changes no more than the address's end.
addEventListener("hashchange", signInByLink);

signInAgain();
signInByLink();
change();
