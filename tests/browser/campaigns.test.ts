// Campaigns: messages to more receivers than one send may have, their list and results, and files of receivers.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";

import * as clients from "../support/clients.ts";
import { holdable, onWebSocket } from "./network.ts";
import { connected, entryOf, phone, section, signIn, violations } from "./support.ts";
import { contractor, customer, serveSite } from "./site.ts";

// In chunks of two, a campaign of 5,000 takes so long that a test can pause it.
const site = serveSite({ MAX_BULK_RECIPIENTS: 3, CAMPAIGN_CHUNK: 2, CAMPAIGN_PROGRESS_MS: 0 });

const bulk = (page: Page) => section(page, "Message to many");
const campaigns = (page: Page) => section(page, "Campaigns");
const campaign = (page: Page, name: string) =>
  campaigns(page).getByRole("listitem").filter({ hasText: name });
const counts = (page: Page, name: string) => campaign(page, name).getByTestId("counts");

/** Waits until the page says that the campaign is in this state. */
const inState = (page: Page, name: string, state: string) =>
  campaign(page, name).getByRole("status").getByText(state, { exact: true }).waitFor();

const command = (page: Page, name: string, what: string) =>
  campaign(page, name).getByRole("button", { name: `${what} ${name}` });

/** Drops a file on the form. */
async function drop(page: Page, name: string, text: string) {
  const dataTransfer = await page.evaluateHandle(
    ([name, text]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([text], name));
      return transfer;
    },
    [name, text] as const,
  );
  await bulk(page).getByLabel("Message").dispatchEvent("drop", { dataTransfer });
}

/** Chooses a file by the form's field. */
const choose = (page: Page, name: string, text: string) =>
  bulk(page)
    .getByLabel("And of a file")
    .setInputFiles({ name, mimeType: "text/plain", buffer: Buffer.from(text) });

const fileStatus = (page: Page, text: string) =>
  bulk(page).getByTestId("receiver-file").getByText(text).waitFor();

test("what a bulk send is too small for becomes a campaign, with a result per receiver", async () => {
  const emil = await site.pageOf("emil", customer);
  site.server.addUsers(["fern"]);
  const page = await site.pageOf("gerd", contractor);
  const otherPage = await site.pageOf("gerd", contractor, phone);
  await campaigns(page).getByText("No campaigns yet.").waitFor();
  await bulk(page).getByLabel("Receivers").fill("emil, fern, nobody, no one");
  await bulk(page).getByLabel("Job").fill("job123");
  await bulk(page).getByLabel("Message").fill("I can start on Monday.");
  await bulk(page).getByRole("button", { name: "Send to 4 receivers" }).click();
  await bulk(page).getByRole("status").getByText("Too many for one send").waitFor();

  const summary = "4 receivers: 2 sent, 1 of them delivered at once, 2 failed";
  for (const each of [page, otherPage]) {
    await inState(each, "I can start on Monday.", "finished");
    await counts(each, "I can start on Monday.").getByText(summary).waitFor();
  }
  // That it was too many for one send is not shown as a problem.
  assert.equal(await page.getByRole("alert").innerText(), "");
  assert.equal(await bulk(page).getByLabel("Message").inputValue(), "");
  await entryOf(emil, "gerd").getByText("I can start on Monday.").waitFor();
  assert.equal(await campaigns(emil).count(), 0, "customers have none");
  await entryOf(page, "fern").getByText("I can start on Monday.").waitFor();

  await command(page, "I can start on Monday.", "Results of").click();
  // A page of results has those of one chunk.
  const rows = campaigns(page).locator("tbody tr");
  await clients.until(async () => (await rows.count()) === 2, "the first page of results");
  await campaigns(page).getByRole("button", { name: "More results" }).click();
  await clients.until(async () => (await rows.count()) === 4, "the second page");
  await campaigns(page)
    .getByRole("region", { name: "Result per receiver" })
    .and(page.locator(":focus"))
    .waitFor();
  const texts = await rows.allInnerTexts();
  assert.deepEqual(
    texts.map((row) => row.split("\t")),
    [
      ["emil", "delivered"],
      ["fern", "stored, comes with the next connect"],
      ["nobody", "Receiver not found"],
      ["no one", "Receiver not found"],
    ],
  );
  assert.deepEqual(await violations(page), []);
});

test("a campaign is paused, found again after a reload, resumed and cancelled", async () => {
  const page = await site.pageOf("hugo", contractor);
  const otherPage = await site.pageOf("hugo", contractor);
  // More than the page puts into one part, and than it asks the server to send at once.
  const ids = Array.from({ length: 5_000 }, (_, index) => `nobody${index}`);
  await drop(page, "everybody.csv", ["receiver_id,name", ...ids].join("\r\n"));
  await fileStatus(page, "everybody.csv: 5000 receivers");
  await bulk(page).getByLabel("Message").fill("To all\nof you");
  await bulk(page).getByRole("button", { name: "Send to 5000 receivers" }).click();
  await command(page, "To all", "Pause").click();
  await inState(page, "To all", "paused");
  await inState(otherPage, "To all", "paused");

  await page.reload();
  await connected(page);
  await inState(page, "To all", "paused");
  await counts(page, "To all").getByText("5000 receivers: 0 sent").waitFor();
  const resume = command(page, "To all", "Resume");
  await resume.focus();
  await page.keyboard.press("Enter");
  await inState(page, "To all", "running");
  await inState(otherPage, "To all", "running");
  // The same button now pauses, and has kept the focus.
  assert.ok(
    await command(page, "To all", "Pause").evaluate((button) => button === document.activeElement),
  );
  const bar = campaign(page, "To all").getByRole("progressbar", { name: "Progress of To all" });
  const done = () => bar.evaluate((element) => (element as HTMLProgressElement).value);
  const before = await done();
  await clients.until(async () => (await done()) > before, "progress");

  await command(page, "To all", "Cancel").focus();
  await page.keyboard.press("Enter");
  await inState(page, "To all", "cancelled");
  await inState(otherPage, "To all", "cancelled");
  await campaign(page, "To all").locator("h3:focus").waitFor();
  assert.equal(await command(page, "To all", "Cancel").count(), 0);
  assert.ok((await done()) < 5_000);
});

test("a campaign whose start was not answered is sent once", async () => {
  const page = await site.blankPage();
  const network = await holdable(page);
  await signIn(page, site.server, "twice", contractor);
  const bob = await clients.connect(site.server, "bob");
  await onWebSocket(page);
  await bulk(page).getByLabel("Receivers").fill("bob, a, b, c");
  await bulk(page).getByLabel("Message").fill("Did it arrive?");
  const arrived = clients.next(bob, "new_message");
  network.hold(/"state":"(running|finished)"/);
  await bulk(page).getByRole("button", { name: "Send to 4 receivers" }).click();
  await arrived;
  await network.cut();
  await connected(page);
  const text = () => bulk(page).getByLabel("Message").inputValue();
  await clients.until(async () => (await text()) === "Did it arrive?", "the text, for another try");
  await bulk(page).getByRole("button", { name: "Send to 4 receivers" }).click();
  await bulk(page).getByRole("status").getByText("Too many for one send").waitFor();

  await bulk(page).getByLabel("Message").fill("last");
  await inState(page, "Did it arrive?", "finished");
  await bulk(page).getByRole("button", { name: "Send to 4 receivers" }).click();
  await clients.until(() => bob.texts.includes("last"), "the last message");
  assert.deepEqual(bob.texts, ["Did it arrive?", "last"]);
  assert.equal(await campaigns(page).getByRole("listitem").count(), 2);
});

const files: Record<string, [text: string, ids: string[]]> = {
  "ids.txt": ["a b\n\n c \na b", ["a b", "c"]],
  "table.csv": [
    '\ufeffReceiver ID;Name\r\n"x;y";X\r\n"say ""hi""";Y\r\nz;',
    ["x;y", 'say "hi"', "z"],
  ],
  "ids.ndjson": ['"a, b"\n"\\u00e9"\n', ["a, b", "é"]],
};

test("a file has one id per line, in the first column of a CSV file, or as a JSON string", async () => {
  const page = await site.pageOf("filer", contractor);
  for (const [name, [text, ids]] of Object.entries(files)) {
    await choose(page, name, text);
    await fileStatus(page, `${name}: ${ids.length} receivers`);
    await bulk(page).getByLabel("Message").fill("Hello");
    await bulk(page)
      .getByRole("button", { name: `Send to ${ids.length} receivers` })
      .click();
    await bulk(page).getByText(`0 sent, ${ids.length} failed`).waitFor();
    const cells = await bulk(page).locator("tbody tr td:first-child").allInnerTexts();
    assert.deepEqual(cells, ids, name);
  }
  await choose(page, "empty.txt", "\n\n");
  await page.getByRole("alert").getByText("empty.txt has no receivers in it").waitFor();
  await bulk(page).getByRole("button", { name: "Remove the file" }).click();
  await page.locator("input[type=file]:focus").waitFor();
  await bulk(page).getByRole("button", { name: "Send to 0 receivers" }).waitFor();
});
