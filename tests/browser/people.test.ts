// Watched users and their presence.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as clients from "../support/clients.ts";
import { connected, person, section, watch } from "./support.ts";
import { contractor, serveSite } from "./site.ts";

const site = serveSite();

test("presence changes are shown live", async () => {
  const page = await site.pageOf("watcher", contractor);
  await watch(page, "guest, stranger");
  await person(page, "guest").getByText("was never here").waitFor();

  const phone = await clients.connect(site.server, "guest");
  await person(page, "guest").getByText("online", { exact: true }).waitFor();
  await person(page, "guest").getByText("1 device, seen just now").waitFor();
  await section(page, "People").getByRole("status").getByText("guest is online").waitFor();
  const tablet = await clients.connect(site.server, "guest");
  await person(page, "guest").getByText("2 devices").waitFor();
  phone.close();
  tablet.close();
  await person(page, "guest").getByText("offline", { exact: true }).waitFor();
  await person(page, "guest").getByText("seen just now").waitFor();
  await section(page, "People").getByRole("status").getByText("guest is offline").waitFor();

  // The watched users are remembered.
  await page.reload();
  await connected(page);
  await person(page, "stranger").waitFor();
  await person(page, "stranger").getByRole("button", { name: "Remove stranger" }).click();
  await person(page, "stranger").waitFor({ state: "detached" });
  // The focus is in the field for watching another user.
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("name")), "ids");
});

test("the device counts of many users appear within seconds", async () => {
  const ids = Array.from({ length: 9 }, (_, number) => `guest${number}`);
  await Promise.all(ids.map((id) => clients.connect(site.server, id)));
  const page = await site.pageOf("overseer", contractor);
  await watch(page, ids.join());
  await page.getByText("1 device,").nth(8).waitFor();
});
