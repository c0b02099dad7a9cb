// Bulk messages: receivers, results, and the display while one is being sent.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as clients from "../support/clients.ts";
import { holdable, onWebSocket } from "./network.ts";
import { entryOf, messages, person, picture, section, signIn, watch } from "./support.ts";
import { contractor, customer, serveSite } from "./site.ts";

const site = serveSite();

test("a bulk message is sent and received, and the result is shown per receiver", async () => {
  const emil = await site.pageOf("emil", customer);
  const dora = await clients.connect(site.server, "dora");
  site.server.addUsers(["fern"]);
  const page = await site.pageOf("gerd", contractor);
  await watch(page, "dora");
  await person(page, "dora").waitFor();
  const bulk = section(page, "Message to many");
  await bulk.getByLabel("Receivers").fill("emil; fern\nnobody");
  await bulk.getByLabel("dora").check();
  await bulk.getByLabel("Job").fill("job123");
  await bulk.getByLabel("Message").fill("I can start on Monday.");
  const preview = bulk.getByRole("region", { name: "Preview" });
  assert.equal(await preview.innerText(), "To 4 receivers, job job123\n\nI can start on Monday.");
  const received = clients.next(dora, "new_message");
  await bulk.getByRole("button", { name: "Send to 4 receivers" }).click();

  await bulk.getByRole("status").getByText("3 sent, 1 failed").waitFor();
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
  await picture(page, "bulk", bulk);

  const [message] = await received;
  assert.deepEqual(
    [message.senderId, message.jobId, clients.textOf(message)],
    ["gerd", "job123", "I can start on Monday."],
  );
  // An open page shows it at once, with its job.
  await entryOf(emil, "gerd").getByText("1 unread").waitFor();
  await entryOf(emil, "gerd").click();
  await messages(emil).getByText("I can start on Monday.").waitFor();
  await messages(emil).getByText("job123").waitFor();
  // A receiver who was offline sees it on opening the page.
  const fern = await site.pageOf("fern", customer);
  await entryOf(fern, "gerd").getByText("I can start on Monday.").waitFor();
});

test("while a bulk message is being sent, a progress bar is shown and it cannot be sent again", async () => {
  const page = await site.blankPage();
  const network = await holdable(page);
  await signIn(page, site.server, "hugo", contractor);
  const dora = await clients.connect(site.server, "dorothy");
  await onWebSocket(page);
  const bulk = section(page, "Message to many");
  await bulk.getByLabel("Receivers").fill("dorothy");
  await bulk.getByLabel("Message").fill("Hello");
  const send = bulk.getByRole("button", { name: "Send to 1 receiver" });
  network.hold(/totalSent/);
  await send.dblclick();
  await bulk.getByRole("progressbar").waitFor();
  await bulk.getByRole("status").getByText("Sending to 1 receiver").waitFor();
  assert.equal(await send.getAttribute("aria-disabled"), "true");
  // The button keeps the focus.
  assert.ok(await send.evaluate((button) => button === document.activeElement));
  network.release();
  await bulk.getByText("1 sent, 0 failed").waitFor();
  assert.equal(await bulk.getByRole("progressbar").count(), 0);

  await bulk.getByLabel("Message").fill("last");
  await send.click();
  await clients.until(() => dora.texts.includes("last"), "the last message");
  assert.deepEqual(dora.texts, ["Hello", "last"]);
});

test("the choices keep their order when users are added, and ids may contain commas", async () => {
  const page = await site.pageOf("picker", contractor);
  const odd = await clients.connect(site.server, "b, and c");
  await clients.sendTo(odd, { receiverId: "picker" }, "Hello");
  const bulk = section(page, "Message to many");
  await bulk.getByLabel("b, and c").waitFor();
  await watch(page, "a");
  await person(page, "a").waitFor();
  const names = await bulk.locator("fieldset label").allInnerTexts();
  assert.deepEqual(
    names.map((name) => name.trim()),
    ["b, and c", "a"],
  );
  const received = clients.next(odd, "new_message");
  await bulk.getByLabel("b, and c").check();
  await bulk.getByLabel("Message").fill("One receiver");
  await bulk.getByRole("button", { name: "Send to 1 receiver" }).click();
  const [message] = await received;
  assert.equal(clients.textOf(message), "One receiver");
});

test("customers do not see the bulk form", async () => {
  const page = await site.pageOf("ida", customer);
  assert.equal(await section(page, "Message to many").count(), 0);
});
