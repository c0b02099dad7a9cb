// Signing in and out, by token and by link, and what survives a reload.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as clients from "../support/clients.ts";
import { holdable, onWebSocket } from "./network.ts";
import {
  answer,
  connected,
  entryOf,
  messageBox,
  messages,
  person,
  picture,
  section,
  signIn,
  watch,
  write,
} from "./support.ts";
import { contractor, customer, serveSite } from "./site.ts";

const site = serveSite();

test("a pasted token signs in, and a bad one is reported", async () => {
  const page = await site.blankPage();
  await page.goto(site.server.url);
  await page.getByLabel("Token").fill("nonsense");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("That is not a token").waitFor();
  await picture(page, "sign-in");
  await page.getByRole("button", { name: "Dismiss" }).click();
  await page.locator("h1:focus").waitFor();
  await page.getByLabel("Token").fill(site.server.token("pasted"));
  await page.getByRole("button", { name: "Sign in" }).click();
  await connected(page);
  await page.locator("h1:focus").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.locator("input:focus").waitFor();
});

test("a link signs in another user only after confirmation", async () => {
  const page = await site.pageOf("first", customer);
  const link = `${site.server.url}/#token=${site.server.token("second", customer)}`;
  await page.goto(link);
  await page.getByRole("button", { name: "Stay first" }).click();
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.getByText("as first").waitFor();

  // The same after a fresh page load.
  await page.goto("about:blank");
  await page.goto(link);
  await page.getByRole("dialog", { name: "Sign in as second?" }).waitFor();
  await page.getByRole("button", { name: "Sign in as second" }).click();
  await page.getByText("as second").waitFor();
  await connected(page);
});

test("a link for the signed-in user asks nothing and loses nothing", async () => {
  const page = await site.pageOf("same", contractor);
  const draft = section(page, "Message to many").getByLabel("Message");
  await draft.fill("half a message");
  await signIn(page, site.server, "same", contractor);
  assert.equal(await page.getByRole("dialog").count(), 0);
  assert.equal(await draft.inputValue(), "half a message");
});

test("a refused token is reported, is not in the address, and can be replaced", async () => {
  const page = await site.blankPage();
  await page.goto(`${site.server.url}/#token=${site.server.token("late", { exp: 1_000_000_000 })}`);
  await page.getByRole("alert").getByText("token_expired").waitFor();
  assert.equal(new URL(page.url()).hash, "");
  await page.getByRole("button", { name: "Sign in again" }).click();
  await page.getByLabel("Token").fill(site.server.token("late"));
  await page.keyboard.press("Enter");
  await connected(page);
});

test("signing out leaves nothing to the next user", async () => {
  site.server.addUsers(["bob"]);
  const page = await site.blankPage();
  const network = await holdable(page);
  await signIn(page, site.server, "leaver", contractor);
  await write(page, "bob", "A secret");
  await messages(page).getByText("A secret").waitFor();
  await messageBox(page).fill("half a secret");
  const bulk = section(page, "Message to many");
  await bulk.getByLabel("Message").fill("another secret");
  await section(page, "People").getByLabel("User ids to watch").fill("secretly watched");
  await onWebSocket(page);
  network.hold(/./);
  await entryOf(page, "bob").click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Token").waitFor();
  // The pending request causes no alert.
  assert.equal(await page.getByRole("alert").innerText(), "");
  network.release();
  await signIn(page, site.server, "next", contractor);
  await section(page, "Conversations").getByText("No conversations yet.").waitFor();
  assert.equal(await page.getByText("secret").count(), 0);
  const values = await page
    .locator("input, textarea")
    .evaluateAll((all) => all.map((field) => (field as HTMLInputElement).value));
  assert.doesNotMatch(values.join(), /secret/);
});

test("a reload loses nothing: conversation, drafts, marks, watched users", async () => {
  const page = await site.pageOf("jo", contractor);
  await clients.connect(site.server, "ann");
  site.server.addUsers(["zoe"]);
  await watch(page, "ann, stranger");
  await person(page, "ann").getByText("1 device").waitFor();
  await write(page, "ann", "one");
  await messages(page).getByTestId("progress").getByText("delivered").waitFor();
  await answer(page, "two");
  await messages(page).nth(1).getByTestId("progress").getByText("delivered").waitFor();
  const bulk = section(page, "Message to many");
  await bulk.getByLabel("ann").check();
  await bulk.getByLabel("Receivers").fill("zoe");
  await bulk.getByLabel("Message").fill("three");
  await bulk.getByRole("button", { name: "Send to 2 receivers" }).click();
  await messages(page).nth(2).getByTestId("progress").getByText("delivered").waitFor();
  await messageBox(page).fill("half a mess");
  await bulk.getByLabel("Message").fill("half another");

  await page.reload();
  await connected(page);
  await messages(page).nth(2).waitFor();
  const texts = await messages(page).locator(".text").allInnerTexts();
  assert.deepEqual(texts, ["one", "two", "three"]);
  const progress = await messages(page).getByTestId("progress").allInnerTexts();
  assert.deepEqual(progress, ["delivered", "delivered", "delivered"]);
  await entryOf(page, "ann").and(page.locator('[aria-current="true"]')).waitFor();
  assert.equal(await messageBox(page).inputValue(), "half a mess");
  assert.equal(await bulk.getByLabel("Message").inputValue(), "half another");
  assert.equal(await bulk.getByLabel("Receivers").inputValue(), "zoe");
  assert.ok(await bulk.getByLabel("ann").isChecked());
  await person(page, "stranger").waitFor();
});

test("a message interrupted by a reload is delivered once", async () => {
  const page = await site.blankPage();
  const network = await holdable(page);
  await signIn(page, site.server, "impatient", customer);
  const receiver = await clients.connect(site.server, "receiver");
  await write(page, "receiver", "first");
  await messages(page).getByText("first").waitFor();
  await onWebSocket(page);
  const arrived = clients.next(receiver, "new_message");
  network.hold(/./);
  await answer(page, "Did it arrive?");
  await arrived;
  await page.reload();
  network.release();
  await connected(page);
  assert.equal(await messageBox(page).inputValue(), "Did it arrive?");
  await messageBox(page).press("Enter");
  await page.locator('.thread [aria-disabled="false"]').waitFor();
  await answer(page, "last");
  await clients.until(() => receiver.texts.includes("last"), "the last message");
  assert.deepEqual(receiver.texts, ["first", "Did it arrive?", "last"]);
});
