// Drives a real browser (Chromium, with playwright) on the console page of a server under test.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";

import { inRoot } from "../../scripts/lib/project.mjs";
import type { Host } from "../support/clients.ts";

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** Disable Chromium's background activity, such as updates and look-ups. */
const flags = [
  "--headless",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
  "--no-sandbox",
];

/** Launches the Chromium that `npm run test:browser` has found. */
export function launch(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM;
  assert.ok(executablePath, "run this by `npm run test:browser`");
  return chromium.launch({ executablePath, args: flags });
}

export const phone: BrowserContextOptions = { viewport: { width: 390, height: 844 } };
export const desktop: BrowserContextOptions = { viewport: { width: 1280, height: 900 } };

/** Opens a page. `faults` collects its exceptions, logged errors and policy violations. */
export async function newPage(browser: Browser, options: BrowserContextOptions = desktop) {
  const context = await browser.newContext({ locale: "en-GB", timezoneId: "UTC", ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  page.setDefaultTimeout(15_000);
  return { page, faults };
}

/** Signs a user in with a link like those that `npm start` prints. */
export async function signIn(page: Page, server: Host, userId: string, claims: object = {}) {
  await page.goto(`${server.url}/#token=${server.token(userId, claims)}`);
  await connected(page);
}

export const connected = (page: Page) =>
  page.getByTestId("status").getByText("connected", { exact: true }).waitFor();

export const section = (page: Page, name: string) => page.getByRole("article", { name });

export async function watch(page: Page, ids: string) {
  await section(page, "People").getByLabel("User ids to watch").fill(ids);
  await section(page, "People").getByRole("button", { name: "Watch", exact: true }).click();
}

export const person = (page: Page, userId: string) => page.locator(`[data-user="${userId}"]`);

/** Starts a conversation. */
export async function write(page: Page, to: string, text: string) {
  const conversations = section(page, "Conversations");
  await conversations.getByText("New conversation").click();
  const form = conversations.locator("details");
  await form.getByLabel("To").fill(to);
  await form.getByLabel("Message").fill(text);
  await form.getByRole("button", { name: "Send" }).click();
}

export const messageBox = (page: Page) => page.getByPlaceholder("Message (Enter sends)");

/** Sends a message in the open conversation. */
export async function answer(page: Page, text: string) {
  await messageBox(page).fill(text);
  await messageBox(page).press("Enter");
}

export const entryOf = (page: Page, peer: string) => page.locator(`[data-peer="${peer}"]`);
export const messages = (page: Page) => page.locator(".messages li");

/** Whether to take the screenshots for the docs. They differ in every run, so tests do not compare them. */
export const takesPictures = Boolean(process.env.PICTURES);

/** Takes a screenshot of the window or of a part of the page. */
export async function picture(page: Page, name: string, part?: Locator) {
  if (!takesPictures) return;
  mkdirSync(inRoot("docs", "images"), { recursive: true });
  await page.mouse.move(0, 0);
  const path = inRoot("docs", "images", `${name}.png`);
  await (part ?? page).screenshot({ path, animations: "disabled" });
}

interface Violation {
  id: string;
  nodes: { target: unknown; failureSummary?: string }[];
}

/** Returns axe-core's violations of WCAG 2.2, levels A and AA, and of its best practices. */
export async function violations(page: Page): Promise<string[]> {
  // The page's policy blocks foreign scripts, but it does not apply to evaluate().
  await page.evaluate(readFileSync(axe, "utf8"));
  const found = await page.evaluate(() => {
    const { axe } = window as unknown as {
      axe: { run(options: object): Promise<{ violations: Violation[] }> };
    };
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    return axe.run({ runOnly: tags });
  });
  return found.violations.map(
    ({ id, nodes }) =>
      `${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).join("; ")}`,
  );
}
