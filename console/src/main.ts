// The console page: store.ts holds the state, modules change it, and views render it.

import { render } from "lit-html";

import { drawChart } from "./chart.ts";
import { moveFocus } from "./focus.ts";
import { keep } from "./kept.ts";
import { refreshWhileVisible } from "./people.ts";
import { listenForClicks } from "./push.ts";
import { signInAgain, signInByLink } from "./session.ts";
import { change, onChange, state } from "./store.ts";
import { markRead } from "./thread.ts";
import { showTotal } from "./unread.ts";
import { pageView } from "./views/page.ts";
import { signInView } from "./views/sign-in.ts";

/** Relative times such as "3 minutes ago" become stale. */
const redrawEveryMs = 30_000;

const list = () => document.querySelector(".messages");
const lastMessage = () => document.querySelector(".messages li:last-child");

/** Whether the list is scrolled to its end, where new messages appear. */
const isAtEnd = ({ scrollHeight, scrollTop, clientHeight }: Element) =>
  scrollHeight - scrollTop - clientHeight < 40;

/** Scrolls to a new last message, unless the user is reading further up. */
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
  showTotal();
  drawChart();
  document.querySelector<HTMLDialogElement>("dialog:not([open])")?.showModal();
  moveFocus();
  followMessages(before, last, wasAtEnd);
}

onChange(draw);
document.addEventListener("visibilitychange", () => void markRead());
// When a phone closes the tab, only one of the two fires.
for (const event of ["pagehide", "visibilitychange"]) addEventListener(event, keep);
setInterval(change, redrawEveryMs);
refreshWhileVisible();
listenForClicks();

// Opening a sign-in link where the page is already open changes only the fragment.
addEventListener("hashchange", signInByLink);

signInAgain();
signInByLink();
change();
