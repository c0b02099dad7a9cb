// The console page in a real browser, as two people use it.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

import * as clients from "../support/clients.ts";
import { createDevServer } from "../support/dev.ts";
import type { DevServer } from "../support/dev.ts";
import {
  answer,
  connected,
  desktop,
  entryOf,
  launch,
  messages,
  newPage,
  person,
  phone,
  picture,
  section,
  signIn,
  violations,
  watch,
  write,
} from "./support.ts";

const contractor = { role: "contractor", name: "Ann Fixit" };
const customer = { role: "customer", name: "Bob" };

let server: DevServer;
let browser: Browser;
let faults: string[][] = [];

before(async () => {
  // The page is let in from where it was served, whatever other pages may connect.
  const vars = { ALLOWED_ORIGINS: "https://shop.example", PRESENCE_GRACE_MS: 500 };
  server = await createDevServer(vars);
  await server.start();
  browser = await launch();
});

// Whatever a test was about, no page may have thrown or broken its policy meanwhile.
afterEach(async () => {
  clients.closeAll();
  const found = faults.flat();
  faults = [];
  await Promise.all(browser.contexts().map((context) => context.close()));
  assert.deepEqual(found, []);
});

after(async () => {
  await browser.close();
  await server.close();
});

async function pageOf(userId: string, claims: object, options?: BrowserContextOptions) {
  const opened = await newPage(browser, options);
  faults.push(opened.faults);
  await signIn(opened.page, server, userId, claims);
  return opened.page;
}

test("a pasted token signs in, and a bad one says so", async () => {
  const { page, faults: own } = await newPage(browser);
  faults.push(own);
  await page.goto(server.url);
  await page.getByLabel("Token").fill("nonsense");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("That is not a token").waitFor();
  await picture(page, "sign-in");
  await page.getByLabel("Token").fill(server.token("pasted"));
  await page.getByRole("button", { name: "Sign in" }).click();
  await connected(page);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
});

test("a link with a token signs in, also where the page is open already", async () => {
  const page = await pageOf("first", customer);
  await signIn(page, server, "second", customer);
  await page.getByText("as second").waitFor();
});

test("a refused token is told, and the token is not in the address", async () => {
  const { page } = await newPage(browser);
  await page.goto(`${server.url}/#token=${server.token("late", { exp: 1_000_000_000 })}`);
  await page.getByRole("alert").getByText("token_expired").waitFor();
  assert.equal(new URL(page.url()).hash, "");
});

test("the connection upgrades, is measured, and shows every packet", async () => {
  const page = await pageOf("looker", customer);
  await page.getByTestId("transport").getByText("websocket").waitFor();
  await page
    .getByTestId("round-trip")
    .getByText(/\d+ ms/)
    .waitFor();
  await page.locator(".chart canvas").waitFor();

  const log = section(page, "Packets");
  await log.getByLabel("Filter packets").fill("get_conversations");
  const packets = log.getByRole("listitem");
  await packets.filter({ hasText: "out" }).first().waitFor();
  assert.equal(await packets.count(), 1);
  await log.getByLabel("Filter packets").fill("connect");
  const packet = packets.filter({ hasText: "out" }).first();
  await packet.click();
  // The token is not for logs.
  assert.match(await packet.locator("pre").innerText(), /"token": "…"/);
});

test("a packet is copied as code", async () => {
  const options = { ...desktop, permissions: ["clipboard-read", "clipboard-write"] };
  const page = await pageOf("copier", customer, options);
  const log = section(page, "Packets");
  await log.getByLabel("Filter packets").fill("get_conversations");
  await log.getByRole("listitem").first().click();
  await log.getByRole("button", { name: "Copy as code" }).first().click();
  await log.getByText("Copied").waitFor();
  const code = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(code, /^socket\.emit\("get_conversations", \{\s*"limit": 30\s*\}\);$/);
});

test("who comes and goes is seen live", async () => {
  const page = await pageOf("watcher", contractor);
  await watch(page, "guest, stranger");
  await person(page, "guest").getByText("was never here").waitFor();

  const phones = await clients.connect(server, "guest");
  await person(page, "guest").getByText("online", { exact: true }).waitFor();
  await person(page, "guest").getByText("1 device").waitFor();
  const tablet = await clients.connect(server, "guest");
  await person(page, "guest").getByText("2 devices").waitFor();
  phones.close();
  tablet.close();
  await person(page, "guest").getByText("offline", { exact: true }).waitFor();
  await person(page, "guest").getByText("just now").waitFor();

  // Who is watched is remembered.
  await page.reload();
  await connected(page);
  await person(page, "stranger").waitFor();
  await person(page, "stranger").getByRole("button", { name: "Remove stranger" }).click();
  await person(page, "stranger").waitFor({ state: "detached" });
});

test("a message crosses two pages: typing, delivered, read, answered", async () => {
  const ann = await pageOf("ann", contractor);
  const bob = await pageOf("bob", customer, { ...phone, colorScheme: "dark" });
  await write(ann, "bob", "When shall I come?");
  await ann.getByTestId("progress").getByText("delivered").waitFor();

  await entryOf(bob, "ann").getByText("1 unread").waitFor();
  await entryOf(bob, "ann").click();
  await messages(bob).getByText("When shall I come?").waitFor();
  await ann.getByTestId("progress").getByText("read").waitFor();
  await entryOf(bob, "ann").getByText("1 unread").waitFor({ state: "detached" });

  await bob.getByPlaceholder("Message (Enter sends)").pressSequentially("Tom");
  await ann.getByText("Bob is typing …").waitFor();
  await answer(bob, "Tomorrow at nine.");
  await messages(ann).getByText("Tomorrow at nine.").waitFor();
  await ann.getByText("Bob is typing …").waitFor({ state: "detached" });
  // The answer is read at once: Ann has the conversation open.
  await bob.locator(".mine").getByTestId("progress").getByText("read").waitFor();

  await watch(ann, "bob, carol");
  await person(ann, "bob").getByText("1 device").waitFor();
  await picture(ann, "console");
  await picture(bob, "console-phone-dark", section(bob, "Conversations"));
});

test("a bulk message is sent, received, and told receiver by receiver", async () => {
  const customers = await Promise.all(["dora", "emil"].map((id) => clients.connect(server, id)));
  server.addUsers(["fern"]);
  const page = await pageOf("gerd", contractor);
  await watch(page, "dora");
  const bulk = section(page, "Message to many");
  await bulk.getByLabel("Receivers").fill("emil; fern\nnobody");
  await bulk.getByRole("button", { name: "+ dora" }).click();
  await bulk.getByLabel("Job").fill("job123");
  await bulk.getByLabel("Message").fill("I can start on Monday.");
  await bulk.getByRole("region", { name: "Preview" }).getByText("To 4 receivers").waitFor();
  await bulk.getByRole("button", { name: "Send to 4 receivers" }).click();

  await bulk.getByTestId("bulk-summary").getByText("3 sent, 1 failed").waitFor();
  const rows = await bulk.locator("tbody tr").allInnerTexts();
  assert.deepEqual(
    rows.map((row) => row.split("\t")),
    [
      ["emil", "delivered"],
      ["fern", "stored, comes with the next connect"],
      ["dora", "delivered"],
      ["nobody", "Receiver not found"],
    ],
  );
  for (const { texts } of customers) assert.deepEqual(texts, ["I can start on Monday."]);
  await picture(page, "bulk", bulk);

  // One who was offline finds it when they open the page.
  const fern = await pageOf("fern", customer);
  await entryOf(fern, "gerd").getByText("I can start on Monday.").waitFor();
});

test("while a bulk message is under way a bar shows it", async () => {
  const page = await pageOf("hugo", contractor);
  const bulk = section(page, "Message to many");
  await bulk.getByLabel("Receivers").fill("dora");
  await bulk.getByLabel("Message").fill("Hello");
  // The bar may be there for some milliseconds only: whoever looks for it must look from before.
  await page.evaluate(() => {
    const seen = () => document.querySelector("progress") && document.body.classList.add("saw-bar");
    new MutationObserver(seen).observe(document.body, { childList: true, subtree: true });
  });
  await bulk.getByRole("button", { name: "Send to 1 receiver" }).click();
  await bulk.getByTestId("bulk-summary").waitFor();
  await page.locator("body.saw-bar").waitFor();
  assert.equal(await page.locator("progress").count(), 0);
});

test("a customer is not offered what customers may not do", async () => {
  const page = await pageOf("ida", customer);
  assert.equal(await section(page, "Message to many").count(), 0);
});

test("a reload and a lost network lose nothing", async () => {
  const page = await pageOf("jo", customer);
  const ann = await clients.contractor(server, "ann");
  await clients.sendTo(ann, { receiverId: "jo" }, "one");
  await entryOf(page, "ann").click();
  await messages(page).getByText("one").waitFor();

  await page.reload();
  await clients.sendTo(ann, { receiverId: "jo" }, "two");
  await connected(page);
  await entryOf(page, "ann").click();
  await messages(page).getByText("two").waitFor();

  await page.context().setOffline(true);
  await cut(page);
  await clients.sendTo(ann, { receiverId: "jo" }, "three");
  await page.context().setOffline(false);
  await messages(page).getByText("three").waitFor();
  await page.getByText("yes, nothing was missed").waitFor();
  const texts = await messages(page).locator(".text").allInnerTexts();
  assert.deepEqual(texts, ["one", "two", "three"]);
});

/** An established WebSocket does not notice that the browser is offline; the server's end can tell it. */
async function cut(page: Page) {
  const gone = page.getByTestId("status").getByText("disconnected").waitFor();
  const response = await fetch(`${server.url}/v1/users/jo/disconnect`, {
    method: "POST",
    headers: { Authorization: `Bearer ${server.token("tests", { scope: "service" })}` },
  });
  assert.equal(response.status, 200);
  await gone;
}

test("whatever people write is text", async () => {
  const page = await pageOf("kim", { role: "contractor", name: "<img src=x onerror=hacked()>" });
  const evil = `<img src=x onerror="document.title='hacked'"><script>document.title="hacked"</script>\u202e`;
  const mallory = await clients.connect(server, `<b onclick="x">'mallory`, {
    claims: { name: "<script>document.title='hacked'</script>" },
  });
  await clients.sendTo(mallory, { receiverId: "kim" }, evil);
  await clients.request(mallory, "send_message", {
    receiverId: "kim",
    messageType: "file",
    content: { fileUrl: "javascript:document.title='hacked'", fileName: "<i>x</i>" },
  });
  await page.locator(".entry").first().click();
  await messages(page).nth(1).waitFor();
  assert.equal(await messages(page).nth(0).locator(".text").innerText(), evil);
  assert.match(await messages(page).nth(1).innerText(), /javascript:document/);
  await watch(page, "<u>who</u>");
  // An id may have spaces in it, and is one all the same.
  const bulk = section(page, "Message to many");
  await bulk.getByRole("button", { name: "'mallory" }).click();
  await bulk.getByRole("button", { name: "Send to 1 receiver" }).waitFor();
  await page.getByText("<u>who</u>").first().waitFor();
  assert.equal(
    await page.locator("img, .messages a, .messages b, .messages i, body script").count(),
    0,
  );
  assert.equal(await page.title(), "Switchboard console");
  await picture(page, "hostile-text", section(page, "Conversations"));
});

for (const [name, options] of Object.entries({
  "light, desktop": { ...desktop, colorScheme: "light" },
  "dark, phone": { ...phone, colorScheme: "dark" },
} satisfies Record<string, BrowserContextOptions>)) {
  test(`axe-core finds nothing against WCAG AA: ${name}`, async () => {
    const { page, faults: own } = await newPage(browser, options);
    faults.push(own);
    await page.goto(server.url);
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    assert.deepEqual(await violations(page), []);

    await signIn(page, server, "lea", contractor);
    await watch(page, "ann, nobody");
    await write(page, "bob", "Hello");
    await messages(page).first().waitFor();
    const bulk = section(page, "Message to many");
    await bulk.getByLabel("Receivers").fill("bob, nobody");
    await bulk.getByLabel("Message").fill("Hello");
    await bulk.getByRole("button", { name: "Send to 2 receivers" }).click();
    await bulk.getByTestId("bulk-summary").waitFor();
    await section(page, "Packets").getByRole("listitem").first().click();
    assert.deepEqual(await violations(page), []);

    // Nothing is cut off at this width.
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.equal(overflow, 0);
  });
}

test("everything can be done by keyboard", async () => {
  const page = await pageOf("max", customer);
  await section(page, "Conversations").getByText("New conversation").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.type("bob");
  await page.keyboard.press("Tab");
  await page.keyboard.type("No mouse here");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await messages(page).getByText("No mouse here").waitFor();
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("data-peer"));
  while ((await focused()) !== "bob") await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  await entryOf(page, "bob").and(page.locator('[aria-current="true"]')).waitFor();
});
