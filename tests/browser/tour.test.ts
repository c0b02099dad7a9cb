// The README's five-minute tour, step by step, with the output of `npm start`.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { freePort } from "../support/dev.ts";
import { startScript, stopScripts } from "../support/script.ts";
import {
  answer,
  connected,
  entryOf,
  launch,
  messages,
  newPage,
  person,
  section,
  watch,
  write,
} from "./support.ts";

test("five minutes", async () => {
  const state = mkdtempSync(path.join(tmpdir(), "switchboard-tour-"));
  const port = await freePort();
  const browser = await launch();
  try {
    const server = startScript("scripts/start.mjs", [`--port=${port}`, `--persist-to=${state}`]);

    // 1. Open two browsers.
    const [, contractorLink = "", customerLink = ""] = await server.shows(
      /contractor1\n +(http\S+)\n +customer1\n +(http\S+)/,
    );
    await server.shows(/Stop it with Ctrl-C/);
    const { page: contractor, faults } = await newPage(browser);
    await contractor.goto(contractorLink);
    await connected(contractor);
    const away = await newPage(browser);
    await away.page.goto(customerLink);
    await connected(away.page);

    // 2. See who is online.
    await watch(contractor, "customer1, customer2");
    const customer1 = person(contractor, "customer1");
    await customer1.getByText("1 device").waitFor();
    await person(contractor, "customer2").getByText("was never here").waitFor();
    await away.page.context().close();
    await customer1.getByText("offline").waitFor();
    const { page: customer } = await newPage(browser);
    await customer.goto(customerLink);
    await customer1.getByText("online").waitFor();

    // 3. Run the example client.
    const client = startScript("examples/test-client.js", [
      "customer1",
      "--url",
      `http://localhost:${port}`,
    ]);
    await client.shows(/connect /);
    await customer1.getByText("2 devices").waitFor();
    client.type("status contractor1");
    await client.shows(/user_online_status .*"isOnline":true/);
    client.type("quit");
    await client.stop();

    // 4. Send to many.
    const bulk = section(contractor, "Message to many");
    await bulk.getByLabel("Receivers").fill("customer1, customer2, nobody");
    await bulk.getByLabel("Message").fill("I can start on Monday.");
    await bulk.getByRole("button", { name: "Send to 3 receivers" }).click();
    await bulk.getByRole("row", { name: "customer1 delivered" }).waitFor();
    await bulk
      .getByRole("row", { name: "customer2 stored, comes with the next connect" })
      .waitFor();
    await bulk.getByRole("row", { name: "nobody Receiver not found" }).waitFor();

    // 5. Send a message and its answer.
    await write(contractor, "customer1", "Hello!");
    await entryOf(customer, "contractor1").click();
    await messages(customer).getByText("Hello!").waitFor();
    await contractor.getByTestId("progress").last().getByText("read").waitFor();
    await customer.getByPlaceholder("Message (Enter sends)").pressSequentially("He");
    await contractor.getByText("Customer One is typing …").waitFor();
    await answer(customer, "Hello yourself.");
    await messages(contractor).getByText("Hello yourself.").waitFor();
    assert.deepEqual(faults, []);
  } finally {
    await browser.close();
    await stopScripts();
    rmSync(state, { recursive: true, force: true });
  }
});
