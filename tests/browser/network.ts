// Control over the page's network.

import type { Page, WebSocketRoute } from "playwright-core";

import type { Host } from "../support/clients.ts";
import { connected } from "./support.ts";

/** Errors that Chromium logs when there is no network. */
export const networkErrors = /ERR_INTERNET_DISCONNECTED|ERR_FAILED|WebSocket connection to/;

/** Lets a test hold back messages from the server on the page's WebSockets. Call it before the page loads. */
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
    /** Holds back matching messages from now on. */
    hold(pattern: RegExp) {
      isHeld = (message) => pattern.test(message);
    },
    /** Delivers the messages that were held back. */
    release() {
      isHeld = () => false;
      for (const send of release) send();
      release = [];
    },
    /** Drops the messages that were held back, and the connection. */
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

/** Disables the network; the page notices by itself. */
export async function goOffline(page: Page) {
  await page.context().setOffline(true);
  await page.getByTestId("status").getByText("disconnected").waitFor();
}

export async function goOnline(page: Page) {
  await page.context().setOffline(false);
  await connected(page);
}

/** Disconnects all of a user's connections, as an operator would. */
export async function sendAway(server: Host, userId: string) {
  const response = await fetch(`${server.url}/v1/users/${userId}/disconnect`, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${server.token("tests", { aud: "switchboard", scope: "admin" })}`,
    },
  });
  if (!response.ok) throw new Error(`${userId} was not disconnected: ${response.status}`);
}
