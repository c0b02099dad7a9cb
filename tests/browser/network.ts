// A network that a test can hold up.

import type { Page, WebSocketRoute } from "playwright-core";

import type { Host } from "../support/clients.ts";
import { connected } from "./support.ts";

/** What Chromium logs when there is no network. */
export const networkErrors = /ERR_INTERNET_DISCONNECTED|ERR_FAILED|WebSocket connection to/;

/** The WebSockets of a page that has yet to be opened: what the server says can be held back. */
export async function holdable(page: Page) {
  let isHeld = (_: string) => false;
  let release: (() => void)[] = [];
  const open = new Set<WebSocketRoute>();
  await page.routeWebSocket(/transport=websocket/, (socket) => {
    open.add(socket);
    socket.connectToServer().onMessage((message) => {
      const send = () => socket.send(message);
      if (isHeld(String(message))) release.push(send);
      else send();
    });
  });
  return {
    /** From now on, what matches is held back. */
    hold(pattern: RegExp) {
      isHeld = (message) => pattern.test(message);
    },
    /** Lets through what was held back. */
    release() {
      isHeld = () => false;
      for (const send of release) send();
      release = [];
    },
    /** Loses what was held back, and the connection with it. */
    async cut() {
      isHeld = () => false;
      release = [];
      await Promise.all([...open].map((socket) => socket.close()));
      open.clear();
    },
  };
}

export const onWebSocket = (page: Page) =>
  page.getByTestId("transport").getByText("websocket").waitFor();

/** Takes the network away: the page notices by itself. */
export async function goOffline(page: Page) {
  await page.context().setOffline(true);
  await page.getByTestId("status").getByText("disconnected").waitFor();
}

export async function goOnline(page: Page) {
  await page.context().setOffline(false);
  await connected(page);
}

/** Ends every connection of a user, as an operator would. */
export async function sendAway(server: Host, userId: string) {
  const response = await fetch(`${server.url}/v1/users/${userId}/disconnect`, {
    method: "POST",
    headers: { Authorization: `Bearer ${server.token("tests", { scope: "service" })}` },
  });
  if (!response.ok) throw new Error(`${userId} was not sent away: ${response.status}`);
}
