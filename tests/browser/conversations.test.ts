// Conversations: sending, delivery and read marks, typing, and events that arrive out of order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Page } from "playwright-core";

import * as clients from "../support/clients.ts";
import { holdable, onWebSocket } from "./network.ts";
import {
  answer,
  desktop,
  entryOf,
  messageBox,
  messages,
  person,
  phone,
  picture,
  section,
  signIn,
  takesPictures,
  watch,
  write,
} from "./support.ts";
import { contractor, customer, serveSite } from "./site.ts";

const site = serveSite();
const aFewRoundTripsMs = 25_000;

async function takePictures(ann: Page, bob: Page) {
  await pause(aFewRoundTripsMs);
  await picture(ann, "console");
  await ann.emulateMedia({ colorScheme: "dark" });
  await picture(ann, "console-dark");
  await section(bob, "Conversations").evaluate((element) => element.scrollIntoView());
  await picture(bob, "console-phone-dark");
}

test("a message between two pages: typing, delivered, read, answered", async () => {
  const ann = await site.pageOf("ann", contractor);
  const bob = await site.pageOf("bob", customer, { ...phone, colorScheme: "dark" });
  await write(ann, "bob", "When shall I come?");
  await ann.getByTestId("progress").getByText("delivered").waitFor();

  await entryOf(bob, "ann").getByText("1 unread").waitFor();
  await entryOf(bob, "ann").click();
  // On a phone the conversation is below the list, so the focus brings it into view.
  await bob.locator("h3:focus").getByText("Ann Fixit").waitFor();
  await messages(bob).getByText("When shall I come?").waitFor();
  await ann.getByTestId("progress").getByText("read").waitFor();
  await entryOf(bob, "ann").getByText("1 unread").waitFor({ state: "detached" });

  await messageBox(bob).pressSequentially("Tom");
  await ann.getByText("Bob is typing …").waitFor();
  await answer(bob, "Tomorrow at nine.");
  await messages(ann).getByText("Tomorrow at nine.").waitFor();
  await ann.getByText("Bob is typing …").waitFor({ state: "detached" });
  // The answer is read at once: Ann has the conversation open.
  await bob.locator(".mine").getByTestId("progress").getByText("read").waitFor();

  await watch(ann, "bob, carol");
  await person(ann, "bob").getByText("1 device").waitFor();
  if (takesPictures) await takePictures(ann, bob);
});

test("the title and the icon show how much is unread", async () => {
  const page = await site.pageOf("reader", customer);
  const icon = () => page.locator('link[rel="icon"]').getAttribute("href");
  const titled = (title: string) =>
    clients.until(async () => (await page.title()) === title, title);
  await titled("Switchboard console");
  const plain = await icon();
  const writer = await clients.contractor(site.server, "writer");
  const bob = await clients.connect(site.server, "bob");
  for (const text of ["1", "2"]) await clients.sendTo(writer, { receiverId: "reader" }, text);
  await clients.sendTo(bob, { receiverId: "reader" }, "3");
  await titled("(3) Switchboard console");
  assert.match(decodeURIComponent((await icon()) ?? ""), />3<\/text>/);
  await page.reload();
  await titled("(3) Switchboard console");

  // Another device reads; then this one does.
  const { conversationId } = await clients.sendTo(bob, { receiverId: "reader" }, "4");
  await titled("(4) Switchboard console");
  const phone = await clients.connect(site.server, "reader");
  const upTo = "ffffffff-ffff-7fff-bfff-ffffffffffff";
  await clients.request(phone, "mark_as_read", { conversationId, upTo });
  await titled("(2) Switchboard console");
  await entryOf(page, "writer").click();
  await titled("Switchboard console");
  assert.equal(await icon(), plain);
});

test("a draft stays with its conversation", async () => {
  site.server.addUsers(["carol"]);
  const page = await site.pageOf("drafter", customer);
  await write(page, "carol", "Hello Carol");
  await messages(page).getByText("Hello Carol").waitFor();
  const bob = await clients.connect(site.server, "bob");
  await clients.sendTo(bob, { receiverId: "drafter" }, "Hello from Bob");
  await messageBox(page).fill("Only for Carol");
  await entryOf(page, "bob").click();
  await messages(page).getByText("Hello from Bob").waitFor();
  assert.equal(await messageBox(page).inputValue(), "");
  await entryOf(page, "carol").click();
  await messages(page).getByText("Hello Carol").waitFor();
  assert.equal(await messageBox(page).inputValue(), "Only for Carol");
});

test("pressing Enter twice sends once, and text typed meanwhile stays", async () => {
  const page = await site.blankPage();
  const network = await holdable(page);
  await signIn(page, site.server, "hasty", customer);
  const bob = await clients.connect(site.server, "bobby");
  await write(page, "bobby", "first");
  await messages(page).getByText("first").waitFor();
  await onWebSocket(page);

  network.hold(/"messageId"/);
  await messageBox(page).fill("once");
  await messageBox(page).press("Enter");
  await messageBox(page).press("Enter");
  await messageBox(page).fill("twice");
  await messageBox(page).press("Enter");
  assert.equal(await messageBox(page).inputValue(), "twice");
  network.release();
  await messages(page).getByText("once").waitFor();
  assert.equal(await messageBox(page).inputValue(), "twice");
  await messageBox(page).press("Enter");
  await clients.until(() => bob.texts.includes("twice"), "the second message");
  assert.deepEqual(bob.texts, ["first", "once", "twice"]);
});

test("a late reply does not reopen a conversation that was left", async () => {
  const page = await site.blankPage();
  const network = await holdable(page);
  await signIn(page, site.server, "clicker", customer);
  const [ann, bob] = [
    await clients.contractor(site.server, "ann"),
    await clients.connect(site.server, "bob"),
  ];
  await clients.sendTo(ann, { receiverId: "clicker" }, "from Ann");
  await clients.sendTo(bob, { receiverId: "clicker" }, "from Bob");
  await entryOf(page, "ann").waitFor();
  await entryOf(page, "bob").waitFor();
  await onWebSocket(page);
  network.hold(/"items":.*from Ann/);
  await entryOf(page, "ann").click();
  await entryOf(page, "bob").click();
  await messages(page).getByText("from Bob").waitFor();
  network.release();
  await section(page, "Packets").getByLabel("Filter packets").fill("in ack");
  await section(page, "Packets").getByText("from Ann").first().waitFor({ state: "attached" });
  assert.equal(await messages(page).locator(".text").innerText(), "from Bob");
});

test("a reply that arrives after a newer message does not remove it", async () => {
  const page = await site.blankPage();
  const network = await holdable(page);
  await signIn(page, site.server, "overtaken", customer);
  const ann = await clients.contractor(site.server, "ann");
  await clients.sendTo(ann, { receiverId: "overtaken" }, "one");
  await entryOf(page, "ann").waitFor();
  await onWebSocket(page);
  network.hold(/"items":/);
  await entryOf(page, "ann").click();
  await section(page, "Packets").getByText("get_messages").first().waitFor();
  await clients.sendTo(ann, { receiverId: "overtaken" }, "two");
  await messages(page).getByText("two").waitFor();
  network.release();
  await messages(page).getByText("one").waitFor();
  const texts = await messages(page).locator(".text").allInnerTexts();
  assert.deepEqual(texts, ["one", "two"]);
});

test("older messages are marked read even if an own message is the last", async () => {
  const page = await site.pageOf("sender", contractor);
  const bob = await clients.connect(site.server, "bob");
  await clients.sendTo(bob, { receiverId: "sender" }, "Are you there?");
  await entryOf(page, "bob").getByText("1 unread").waitFor();
  const bulk = section(page, "Message to many");
  await bulk.getByLabel("Receivers").fill("bob");
  await bulk.getByLabel("Message").fill("To all of you");
  await bulk.getByRole("button", { name: "Send to 1 receiver" }).click();
  await entryOf(page, "bob").getByText("To all of you").waitFor();
  await entryOf(page, "bob").getByText("1 unread").waitFor();
  await entryOf(page, "bob").click();
  await entryOf(page, "bob").getByText("1 unread").waitFor({ state: "detached" });

  // Returning to the tab does not mark anything again.
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await answer(page, "I am");
  await messages(page).getByText("I am").waitFor();
  await section(page, "Packets").getByLabel("Filter packets").fill("out event mark_as_read");
  assert.equal(await section(page, "Packets").getByRole("listitem").count(), 1);
});

test("older messages and more conversations are loaded on demand and stay after sending", async () => {
  const writer = await clients.contractor(site.server, "writer");
  const ids = Array.from({ length: 35 }, (_, number) => `customer${number}`);
  site.server.addUsers(ids);
  const collector = await clients.connect(site.server, "collector", { claims: contractor });
  for (let number = 1; number <= 55; number++) {
    await clients.sendTo(writer, { receiverId: "collector" }, `message ${number}`);
  }
  await clients.sendText(collector, ids, "To all");

  const page = await site.pageOf("collector", contractor, desktop);
  await page.locator(".entry").nth(29).waitFor();
  assert.equal(await page.locator(".entry").count(), 30);
  await page.getByRole("button", { name: "More" }).click();
  await entryOf(page, "writer").click();
  await messages(page).getByText("message 55", { exact: true }).waitFor();
  assert.equal(await messages(page).count(), 50);
  await page.getByRole("button", { name: "Older messages" }).dblclick();
  await messages(page).getByText("message 1", { exact: true }).waitFor();
  assert.equal(await messages(page).count(), 55);

  await answer(page, "message 56");
  await messages(page).getByText("message 56").waitFor();
  assert.equal(await page.locator(".entry").count(), 36);
  assert.equal(await messages(page).count(), 56);

  // The conversation is not on the newest page, but is still open after a reload.
  await clients.sendText(collector, ids, "Once more");
  await page.reload();
  await messages(page).getByText("message 56").waitFor();
  await page.getByRole("region", { name: "Messages with Contractor One" }).waitFor();
});

test("a newly opened conversation is scrolled to its end", async () => {
  const page = await site.pageOf("scroller", customer);
  for (const id of ["ann", "bob"]) {
    const client = await clients.connect(site.server, id);
    for (let number = 1; number <= 20; number++) {
      await clients.sendTo(client, { receiverId: "scroller" }, `${id} ${number}`);
    }
  }
  await entryOf(page, "ann").click();
  await messages(page).getByText("ann 20").waitFor();
  await page.locator(".messages").evaluate((list) => list.scrollTo(0, 0));
  await entryOf(page, "bob").click();
  const rest = () =>
    page
      .locator(".messages")
      .evaluate((list) => list.scrollHeight - list.scrollTop - list.clientHeight);
  await messages(page).getByText("bob 20").waitFor();
  await clients.until(async () => (await rest()) < 2, "the end of the messages");
});

test("a typing indication without a stop event expires", async () => {
  const page = await site.pageOf("waiter", customer);
  const writer = await clients.contractor(site.server, "writer");
  const { conversationId } = await clients.sendTo(writer, { receiverId: "waiter" }, "Wait");
  await entryOf(page, "writer").click();
  await messages(page).getByText("Wait").waitFor();
  await clients.request(writer, "typing_start", { conversationId });
  await page.getByText("Contractor One is typing …").waitFor();
  await page.getByText("Contractor One is typing …").waitFor({ state: "detached" });
});
