// Accessibility, keyboard use, phones, and hostile content, which is always shown as plain text.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrowserContextOptions, Locator, Page } from "playwright-core";

import * as clients from "../support/clients.ts";
import { goOffline, goOnline, holdable, networkErrors, onWebSocket } from "./network.ts";
import {
  connected,
  desktop,
  entryOf,
  messageBox,
  messages,
  person,
  phone,
  picture,
  section,
  signIn,
  violations,
  watch,
  write,
} from "./support.ts";
import { contractor, serveSite } from "./site.ts";

const site = serveSite();

test("everything that users write is shown as plain text", async () => {
  const page = await site.pageOf("kim", {
    role: "contractor",
    name: "<img src=x onerror=hacked()>",
  });
  const evil = `<img src=x onerror="document.title='hacked'"><script>document.title="hacked"</script>\u202e`;
  const mallory = await clients.connect(site.server, `<b onclick="x">'mallory`, {
    claims: { name: "\u202e<script>document.title='hacked'</script>" },
  });
  const { conversationId } = await clients.sendTo(mallory, { receiverId: "kim" }, evil);
  await clients.request(mallory, "send_message", {
    receiverId: "kim",
    messageType: "file",
    content: { fileUrl: "https://<b>.example/?document.title='hacked'", fileName: "<i>x</i>" },
  });
  await page.locator(".entry").first().click();
  await messages(page).nth(1).waitFor();
  assert.equal(await messages(page).nth(0).locator(".text").innerText(), evil);
  assert.match(await messages(page).nth(1).innerText(), /https:\/\/<b>.example\/\?document/);
  await watch(page, "<u>who</u>");
  await person(page, "<u>who</u>").waitFor();
  // An id that contains spaces is a single id.
  const bulk = section(page, "Message to many");
  await bulk.getByLabel("'mallory").check();
  await bulk.getByRole("button", { name: "Send to 1 receiver" }).waitFor();
  assert.equal(await bulk.getByLabel("Receivers").inputValue(), "");
  // A name with a bidirectional override affects only itself.
  await clients.request(mallory, "typing_start", { conversationId });
  await page.getByText("is typing …").locator("bdi").waitFor();
  assert.equal(
    await page.locator("img, .messages a, .messages b, .messages i, body script, u").count(),
    0,
  );
  assert.equal(await page.title(), "Switchboard console");
  await picture(page, "hostile-text", section(page, "Conversations"));
});

const looks: Record<string, BrowserContextOptions> = {
  "light, desktop": { ...desktop, colorScheme: "light" },
  "dark, desktop": { ...desktop, colorScheme: "dark" },
  "light, phone": { ...phone, colorScheme: "light" },
  "dark, phone": { ...phone, colorScheme: "dark" },
};

for (const [index, [name, options]] of Object.entries(looks).entries()) {
  // A message that crosses the end of a test is sent again, so each test has its own receiver.
  const friend = `bob${index}`;
  test(`axe-core finds nothing against WCAG AA: ${name}`, async () => {
    site.allowFaults(networkErrors);
    const page = await site.blankPage(options);
    const network = await holdable(page);
    await page.goto(site.server.url);
    await page.getByLabel("Token").fill("nonsense");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").getByText("That is not a token").waitFor();
    assert.deepEqual(await violations(page), []);

    const bob = await clients.connect(site.server, friend);
    await signIn(page, site.server, "lea", contractor);
    await watch(page, `${friend}, nobody`);
    await write(page, friend, "Hello");
    await messages(page).getByText("Hello").first().waitFor();
    await onWebSocket(page);
    const bulk = section(page, "Message to many");
    await bulk.getByLabel("Receivers").fill(`${friend}, nobody`);
    await bulk.getByLabel("Message").fill("Hello");
    network.hold(/totalSent/);
    await bulk.getByRole("button", { name: "Send to 2 receivers" }).click();
    await bulk.getByRole("progressbar").waitFor();
    await clients.until(() => bob.texts.length === 2, "both messages");
    const [, message] = bob.events.find(([event]) => event === "new_message")!;
    await clients.request(bob, "typing_start", { conversationId: message.conversationId });
    await page.getByText("is typing …").waitFor();
    assert.deepEqual(await violations(page), [], "typing, and a bulk message under way");

    network.release();
    await bulk.getByRole("table").waitFor();
    await section(page, "Packets").getByRole("listitem").first().click();
    assert.deepEqual(await violations(page), [], "with the result");
    await goOffline(page);
    // The alert shows why the connection was lost, and later why reconnecting failed.
    await page.getByRole("alert").getByRole("button", { name: "Dismiss" }).waitFor();
    assert.deepEqual(await violations(page), [], "disconnected");
    await goOnline(page);
    await page.goto(`${site.server.url}/#token=${site.server.token("other")}`);
    await page.getByRole("dialog").waitFor();
    assert.deepEqual(await violations(page), [], "asked whether to sign in as another");
    await page.keyboard.press("Escape");

    // Nothing overflows at this width.
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.equal(overflow, 0);
  });
}

/** Presses Tab until the target has the focus. */
async function tabTo(page: Page, target: Locator, key = "Tab") {
  const isFocused = () => target.evaluate((element) => element === document.activeElement);
  for (let presses = 0; presses < 60; presses++) {
    if (await isFocused()) return;
    await page.keyboard.press(key);
  }
  assert.fail(`${target} was not reached`);
}

test("everything can be done by keyboard", async () => {
  site.server.addUsers(["bob"]);
  const page = await site.blankPage({
    ...desktop,
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const { keyboard } = page;
  await page.goto(site.server.url);
  await tabTo(page, page.getByLabel("Token"));
  await keyboard.insertText(site.server.token("max", contractor));
  await keyboard.press("Enter");
  await connected(page);

  await tabTo(page, page.getByLabel("User ids to watch"));
  await keyboard.type("nobody");
  await keyboard.press("Enter");
  await person(page, "nobody").waitFor();
  await tabTo(page, page.getByRole("button", { name: "Remove nobody" }));
  await keyboard.press("Enter");
  await person(page, "nobody").waitFor({ state: "detached" });

  const conversations = section(page, "Conversations");
  await tabTo(page, conversations.locator("summary"));
  await keyboard.press("Enter");
  await tabTo(page, conversations.getByLabel("To"));
  await keyboard.type("bob");
  await keyboard.press("Tab");
  await keyboard.type("No mouse here");
  await keyboard.press("Tab");
  await keyboard.press("Enter");
  await messages(page).getByText("No mouse here").waitFor();
  // The focus moves to the message box of the new conversation.
  await clients.until(
    () => messageBox(page).evaluate((box) => box === document.activeElement),
    "the focus in the message's field",
  );
  await keyboard.type("Nor here");
  await keyboard.press("Enter");
  await messages(page).getByText("Nor here").waitFor();
  await tabTo(page, entryOf(page, "bob"), "Shift+Tab");
  await keyboard.press("Enter");
  await tabTo(page, messageBox(page));

  const bulk = section(page, "Message to many");
  await tabTo(page, bulk.getByLabel("bob"));
  await keyboard.press("Space");
  await tabTo(page, bulk.getByLabel("Message"));
  await keyboard.type("To all");
  await tabTo(page, bulk.getByRole("button", { name: "Send to 1 receiver" }));
  await keyboard.press("Enter");
  await bulk.getByText("1 sent, 0 failed").waitFor();

  const log = section(page, "Packets");
  await tabTo(page, log.getByLabel("Filter packets"));
  await keyboard.type("send_bulk_message");
  await tabTo(page, log.locator("summary").first());
  await keyboard.press("Enter");
  await tabTo(page, log.getByRole("button", { name: "Copy as code" }).first());
  await keyboard.press("Enter");
  await log.getByText("Copied").waitFor();
});
