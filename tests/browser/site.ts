// Shared by the tests of the console page: a server, a browser, and pages with signed-in users.

import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";
import type { Browser, BrowserContextOptions } from "playwright-core";

import * as clients from "../support/clients.ts";
import { createDevServer } from "../support/dev.ts";
import type { DevServer } from "../support/dev.ts";
import { launch, newPage, signIn } from "./support.ts";

export const contractor = { role: "contractor", name: "Ann Fixit" };
export const customer = { role: "customer", name: "Bob" };

/** Sets up a server and a browser for the tests of a file. `more` are further variables of the server. */
export function serveSite(more: Record<string, string | number> = {}) {
  let server: DevServer;
  let browser: Browser;
  let faults: string[][] = [];
  let allowed: RegExp | null = null;

  before(async () => {
    // The console may connect from the server's own origin even if ALLOWED_ORIGINS does not list it.
    const vars = { ALLOWED_ORIGINS: "https://shop.example", PRESENCE_GRACE_MS: 500, ...more };
    server = await createDevServer(vars);
    await server.start();
    browser = await launch();
  });

  // No page may have thrown an error or violated its policy in any test.
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

  /** Opens a page without signing in. */
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

  /** Allows errors that the browser itself logs, for tests that disable the network. */
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
