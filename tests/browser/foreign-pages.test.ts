// Pages of other origins in a real browser, which enforces CORS: with the headers of tracing libraries, with
// credentials, and with a WebSocket subprotocol.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";

import { inRoot } from "../../scripts/lib/project.mjs";
import { startServer } from "../support/server.ts";
import type { Server } from "../support/server.ts";
import { launch } from "./support.ts";

/** The part of the library's API that the page uses. */
interface Client {
  on(event: string, listener: (error: Error) => void): void;
  close(): void;
}
type Page = { io(url: string, options: object): Client };

const library = readFileSync(inRoot("node_modules/socket.io-client/dist/socket.io.min.js"));
const pages = createServer((request, response) => {
  const isScript = request.url === "/socket.io.js";
  response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
  response.end(isScript ? library : '<!doctype html><script src="/socket.io.js"></script>');
});

let origin: (host: string) => string;
let open: Server;
let listed: Server;
let browser: Browser;
before(async () => {
  await new Promise<void>((resolve) => pages.listen(0, "127.0.0.1", resolve));
  const { port } = pages.address() as AddressInfo;
  origin = (host) => `http://${host}:${port}`;
  const list = [origin("shop.localhost"), origin("*.tenants.localhost")];
  open = await startServer();
  listed = await startServer({ vars: { ALLOWED_ORIGINS: list.join(", ") } });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await Promise.all([open?.close(), listed?.close()]);
  pages.close();
});

/** Connects from a page on `host`. Returns "connected" or the error message. */
async function connect(server: Server, host: string, options: object): Promise<string> {
  const page = await browser.newPage();
  await page.goto(origin(host));
  const all = { auth: { token: server.token("visitor") }, reconnection: false, ...options };
  const outcome = await page.evaluate(
    ([url, options]) =>
      new Promise<string>((resolve) => {
        const socket = (window as unknown as Page).io(url, options);
        socket.on("connect", () => resolve("connected"));
        socket.on("connect_error", (error) => resolve(error.message));
      }),
    [server.url, all] as const,
  );
  await page.close();
  return outcome;
}

const tracing = {
  extraHeaders: {
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    baggage: "sentry-release=1",
    "sentry-trace": "771a43a4192642f0b136d5159a501700-7a0eaa9b1a1b1b1b",
    Authorization: "Bearer of nothing",
  },
};
const transports = {
  polling: ["polling"],
  WebSocket: ["websocket"],
  both: ["polling", "websocket"],
};

for (const [name, chosen] of Object.entries(transports)) {
  test(`headers, credentials and a subprotocol, ${name}`, async () => {
    const options = { transports: chosen, protocols: ["chat"], ...tracing };
    assert.equal(await connect(open, "shop.localhost", options), "connected");
    for (const host of ["shop.localhost", "a.tenants.localhost", "b.a.tenants.localhost"]) {
      for (const withCredentials of [false, true]) {
        const all = { ...options, withCredentials };
        assert.equal(await connect(listed, host, all), "connected", host);
      }
    }
  });
}

test("credentials are allowed only for listed origins", async () => {
  const options = { transports: ["polling"], withCredentials: true };
  assert.equal(await connect(open, "shop.localhost", options), "xhr poll error");
});

test("other origins are refused", async () => {
  for (const transports of [["polling"], ["websocket"]]) {
    for (const host of ["tenants.localhost", "evil.localhost", "shop.localhost.evil.localhost"]) {
      assert.match(await connect(listed, host, { transports }), /error/, host);
    }
  }
});
