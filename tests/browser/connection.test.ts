// The connection: its state, round-trip times, loss and recovery.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Page } from "playwright-core";

import * as clients from "../support/clients.ts";
import { goOffline, goOnline, holdable, networkErrors, onWebSocket, sendAway } from "./network.ts";
import {
  connected,
  entryOf,
  messageBox,
  messages,
  section,
  signIn,
  watch,
  write,
} from "./support.ts";
import { contractor, customer, serveSite } from "./site.ts";

const site = serveSite();
const slowMs = 1_000;

/** Counts the chart's pixels that have the colour of its line. */
const drawnPixels = (page: Page) =>
  page.locator(".chart canvas").evaluate((element) => {
    const pixelsOf = (context: CanvasRenderingContext2D) =>
      new Uint32Array(
        context.getImageData(0, 0, context.canvas.width, context.canvas.height).data.buffer,
      );
    const sample = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
    const brush = sample.getContext("2d")!;
    brush.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--pico-primary");
    brush.fillRect(0, 0, 1, 1);
    const [colour] = pixelsOf(brush);
    const drawn = pixelsOf((element as HTMLCanvasElement).getContext("2d")!);
    return drawn.filter((pixel) => pixel === colour).length;
  });

test("the connection upgrades, and its round-trip times are measured and drawn", async () => {
  const page = await site.pageOf("looker", customer);
  await onWebSocket(page);
  await page.getByTestId("recovered").getByText("no, a new session").waitFor();
  await page
    .getByTestId("round-trip")
    .getByText(/^\d+ ms/)
    .waitFor();
  await clients.until(() => drawnPixels(page), "a point in the chart");
});

test("a slow request does not count as a slow round trip", async () => {
  site.server.addUsers(["bob"]);
  const page = await site.blankPage();
  const network = await holdable(page);
  await signIn(page, site.server, "slow", customer);
  await onWebSocket(page);
  network.hold(/"messageId"/);
  await write(page, "bob", "Hello");
  await section(page, "Packets").getByText("send_message").first().waitFor();
  await pause(slowMs);
  network.release();
  await messages(page).getByText("Hello").waitFor();
  const [, longest] = (await page.getByTestId("round-trip").innerText()).match(/to (\d+) ms/) ?? [];
  assert.ok(Number(longest) < slowMs, `${longest} ms`);
});

test("without a network nothing is sent, lost or missed", async () => {
  site.allowFaults(networkErrors);
  const page = await site.pageOf("jo", customer);
  const ann = await clients.contractor(site.server, "ann");
  await clients.sendTo(ann, { receiverId: "jo" }, "one");
  await entryOf(page, "ann").click();
  await messages(page).getByText("one").waitFor();
  await onWebSocket(page);

  await goOffline(page);
  await page.getByTestId("recovered").getByText("not connected").waitFor();
  await clients.sendTo(ann, { receiverId: "jo" }, "two");
  await messageBox(page).fill("three");
  await messageBox(page).press("Enter");
  await page.getByRole("alert").getByText("Not connected").waitFor();
  assert.equal(await messageBox(page).inputValue(), "three");
  const watched = page.getByLabel("User ids to watch");
  await watched.fill("somebody");
  await watched.press("Enter");
  assert.equal(await watched.inputValue(), "somebody");

  await goOnline(page);
  await messages(page).getByText("two").waitFor();
  await page.getByTestId("recovered").getByText("yes, nothing was missed").waitFor();
  await messageBox(page).press("Enter");
  await messages(page).getByText("three").waitFor();
  const texts = await messages(page).locator(".text").allInnerTexts();
  assert.deepEqual(texts, ["one", "two", "three"]);
  await clients.until(() => ann.texts.length > 0, "the message");
  assert.deepEqual(ann.texts, ["three"]);
});

test("a user whom the server disconnects can reconnect", async () => {
  const page = await site.pageOf("sent-away", customer);
  await onWebSocket(page);
  await sendAway(site.server, "sent-away");
  await page.getByRole("alert").getByText("io server disconnect").waitFor();
  await page.getByRole("button", { name: "Connect again" }).click();
  await connected(page);
  await page.getByRole("button", { name: "Connect again" }).waitFor({ state: "detached" });
});

test("why the connection ended stays on the page, even if a request was waiting", async () => {
  const page = await site.blankPage();
  const network = await holdable(page);
  await signIn(page, site.server, "waiting", customer);
  await onWebSocket(page);
  network.hold(/^43/);
  await watch(page, "somebody");
  await sendAway(site.server, "waiting");
  await page.getByRole("button", { name: "Connect again" }).waitFor();
  await page.getByRole("alert").getByText("io server disconnect").waitFor();
});

test("data whose first reply was lost is loaded after a recovery", async () => {
  site.allowFaults(networkErrors);
  site.server.addUsers(["unlucky"]);
  const ann = await clients.contractor(site.server, "ann");
  await clients.sendTo(ann, { receiverId: "unlucky" }, "Hello");
  const page = await site.blankPage();
  let isLost = false;
  // Allow only polling until the first reply has been lost.
  await page.routeWebSocket(/transport=websocket/, (socket) => {
    if (isLost) socket.connectToServer();
    else void socket.close();
  });
  await page.route(/transport=polling/, async (route) => {
    const response = await route.fetch().catch(() => null);
    if (!response) return route.abort().catch(() => {});
    const body = await response.text();
    if (isLost || !body.includes("unreadCount")) return route.fulfill({ response });
    isLost = true;
    await route.abort();
  });
  await signIn(page, site.server, "unlucky", customer);
  await page.getByTestId("recovered").getByText("yes, nothing was missed").waitFor();
  await entryOf(page, "ann").getByText("Hello").waitFor();
});

test("a message whose reply was lost is delivered once, even if it is sent again", async () => {
  site.allowFaults(networkErrors);
  const page = await site.blankPage();
  const network = await holdable(page);
  await signIn(page, site.server, "twice", contractor);
  const bob = await clients.connect(site.server, "receiver");
  await write(page, "receiver", "first");
  await messages(page).getByText("first").waitFor();
  await onWebSocket(page);

  const arrived = clients.next(bob, "new_message");
  network.hold(/./);
  await messageBox(page).fill("Did it arrive?");
  await messageBox(page).press("Enter");
  await arrived;
  assert.equal(await messageBox(page).inputValue(), "");
  await network.cut();
  await messageBox(page).and(page.locator(":not(:placeholder-shown)")).waitFor();
  assert.equal(await messageBox(page).inputValue(), "Did it arrive?");
  await connected(page);
  await messageBox(page).press("Enter");
  await messages(page).getByText("Did it arrive?").waitFor();
  await messageBox(page).fill("last");
  await messageBox(page).press("Enter");
  await clients.until(() => bob.texts.includes("last"), "the last message");
  assert.deepEqual(bob.texts, ["first", "Did it arrive?", "last"]);
});

test("a bulk message whose reply was lost is delivered once, too", async () => {
  site.allowFaults(networkErrors);
  const page = await site.blankPage();
  const network = await holdable(page);
  await signIn(page, site.server, "many-twice", contractor);
  const bob = await clients.connect(site.server, "receiver2");
  await onWebSocket(page);
  const bulk = section(page, "Message to many");
  await bulk.getByLabel("Receivers").fill("receiver2");
  await bulk.getByLabel("Message").fill("Did it arrive?");
  const arrived = clients.next(bob, "new_message");
  network.hold(/./);
  await bulk.getByRole("button", { name: "Send to 1 receiver" }).click();
  await arrived;
  await network.cut();
  await connected(page);
  await bulk.getByLabel("Message").and(page.locator(":not(:placeholder-shown)")).waitFor();
  await bulk.getByRole("button", { name: "Send to 1 receiver" }).click();
  await bulk.getByText("1 sent, 0 failed").waitFor();

  await bulk.getByLabel("Message").fill("last");
  await bulk.getByRole("button", { name: "Send to 1 receiver" }).click();
  await clients.until(() => bob.texts.includes("last"), "the last message");
  assert.deepEqual(bob.texts, ["Did it arrive?", "last"]);
});
