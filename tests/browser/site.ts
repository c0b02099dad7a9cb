// What the tests of the console page share: a server, a browser, and pages of people who are signed in.

import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";
import type { Browser, BrowserContextOptions } from "playwright-core";

import * as clients from "../support/clients.ts";
import { createDevServer } from "../support/dev.ts";
import type { DevServer } from "../support/dev.ts";
import { launch, newPage, signIn } from "./support.ts";

export const contractor = { role: "contractor", name: "Ann Fixit" };
export const customer = { role: "customer", name: "Bob" };

/** Serves for the tests of a file. */
export function serveSite() {
  let server: DevServer;
  let browser: Browser;
  let faults: string[][] = [];
  let allowed: RegExp | null = null;

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
    const found = faults.flat().filter((fault) => !allowed?.test(fault));
    [faults, allowed] = [[], null];
    await Promise.all(browser.contexts().map((context) => context.close()));
    assert.deepEqual(found, []);
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  /** A page that is nobody's yet. */
  async function blankPage(options?: BrowserContextOptions) {
    const { page, faults: own } = await newPage(browser, options);
    faults.push(own);
    return page;
  }

  async function pageOf(userId: string, claims: object, options?: BrowserContextOptions) {
    const page = await blankPage(options);
    await signIn(page, server, userId, claims);
    return page;
  }

  /** What the browser itself logs as an error, when a test takes the network away. */
  function allowFaults(pattern: RegExp) {
    allowed = pattern;
  }

  return {
    blankPage,
    pageOf,
    allowFaults,
    get server() {
      return server;
    },
  };
}
