// The event log: every packet, the filter, and copying as code.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";

import * as clients from "../support/clients.ts";
import { onWebSocket } from "./network.ts";
import { desktop, entryOf, picture, section, signIn, takesPictures, watch } from "./support.ts";
import { contractor, customer, serveSite } from "./site.ts";

const site = serveSite();
const withClipboard = { ...desktop, permissions: ["clipboard-read", "clipboard-write"] };

const log = (page: Page) => section(page, "Packets");
const packets = (page: Page) => log(page).getByRole("listitem");

/** Copies the newest packet that matches the filter. Returns the copied code. */
async function copied(page: Page, filter: string) {
  await log(page).getByLabel("Filter packets").fill(filter);
  await packets(page).first().click();
  await packets(page).first().getByRole("button", { name: "Copy as code" }).click();
  await log(page).getByRole("status").getByText("Copied").waitFor();
  return page.evaluate(() => navigator.clipboard.readText());
}

test("all packets are shown in both directions, including the upgrade's, but no tokens", async () => {
  const page = await site.pageOf("looker", customer);
  await onWebSocket(page);
  const filter = log(page).getByLabel("Filter packets");
  await filter.fill("get_conversations");
  await packets(page).filter({ hasText: "out" }).first().waitFor();
  assert.equal(await packets(page).count(), 1);

  await filter.fill("out connect");
  await packets(page).first().click();
  assert.match(await packets(page).first().locator("pre").innerText(), /"token": "…"/);

  await filter.fill("upgrade");
  await packets(page).filter({ hasText: "out" }).first().waitFor();
  await filter.fill("probe");
  assert.equal(await packets(page).count(), 0);
  await log(page).getByLabel("Heartbeat").check();
  await packets(page).filter({ hasText: "ping" }).filter({ hasText: "out" }).waitFor();
  await packets(page).filter({ hasText: "pong" }).filter({ hasText: "in" }).waitFor();
  await log(page).getByLabel("Heartbeat").uncheck();
  assert.equal(await packets(page).count(), 0);
});

test("an outgoing packet is copied as the code that sends it", async () => {
  const page = await site.pageOf("copier", customer, withClipboard);
  const code = await copied(page, "get_conversations");
  assert.match(code, /^socket\.emit\("get_conversations", \{\s*"limit": 30\s*\}\);$/);
});

test("an incoming packet is copied as a listener, and its content never becomes code", async () => {
  const page = await site.pageOf("target", contractor, withClipboard);
  const mallory = await clients.connect(site.server, "mallory");
  const evil = "\u2028globalThis.hacked = true;\u2029globalThis.hacked = true;\n*/ \u202e";
  await clients.sendTo(mallory, { receiverId: "target" }, evil);
  await entryOf(page, "mallory").waitFor();
  const code = await copied(page, "in event new_message");
  assert.match(code, /^socket\.on\("new_message", \(\.\.\.args\) => \{\n {2}\/\/ \[/);
  assert.doesNotMatch(code, /[\u2028\u2029\u202e]/);
  const run = (listener: () => void) => listener();
  new Function("socket", code)({ on: (_: string, listener: () => void) => run(listener) });
  assert.equal("hacked" in globalThis, false);
});

test("without a clipboard, the code is shown", async () => {
  const page = await site.blankPage();
  // As on a page served over http.
  await page.addInitScript(() =>
    Object.defineProperty(navigator, "clipboard", { value: undefined }),
  );
  await signIn(page, site.server, "by-hand", customer);
  await log(page).getByLabel("Filter packets").fill("get_conversations");
  await packets(page).first().click();
  await packets(page).first().getByRole("button", { name: "Copy as code" }).click();
  await packets(page).first().locator("pre").getByText("socket.emit").waitFor();
});

test("pictures of the event log", async (t) => {
  if (!takesPictures) return t.skip("none were asked for");
  const page = await site.pageOf("ann", contractor);
  await onWebSocket(page);
  await watch(page, "bob, carol");
  await log(page).getByText("online_status_subscribed").first().waitFor();
  await log(page).getByLabel("Filter packets").fill("subscribe");
  await packets(page).filter({ hasText: "out" }).click();
  await picture(page, "event-log", log(page));
});
