// How much is unread, in the page's title and icon: they are seen while another tab is in front.

import type { SwitchboardSocket } from "switchboard-events";

import { ask } from "./requests.ts";
import { change, state } from "./store.ts";

const name = document.title;

export function listen(socket: SwitchboardSocket) {
  socket.on("unread_total", ({ messages }) => change({ unread: messages }));
}

/** Asks how much is unread; the reply event shows it. Returns whether that succeeded. */
export const load = async () => Boolean(await ask("get_unread_total", {}));

/** Returns the icon: a page of messages, with their number if there are any. */
function drawn(unread: number): string {
  const count = unread > 99 ? "99+" : unread;
  const badge = `<circle cx="21" cy="21" r="11" fill="#c52f21"/>
    <text x="21" y="26" font-family="sans-serif" font-size="${unread > 99 ? 10 : 14}" font-weight="bold"
      text-anchor="middle" fill="#fff">${count}</text>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
    <rect x="1" y="3" width="30" height="25" rx="6" fill="#0172ad"/>${unread > 0 ? badge : ""}</svg>`;
}

let shown: number | null = null;

/** Shows the total in the title and in the icon. */
export function showTotal() {
  const { unread } = state;
  if (unread === shown) return;
  shown = unread;
  document.title = unread > 0 ? `(${unread}) ${name}` : name;
  const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (icon) icon.href = `data:image/svg+xml,${encodeURIComponent(drawn(unread))}`;
}
