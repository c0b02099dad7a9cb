// The service in docs/notifications.md does what the page says, for webhooks that the official library has signed.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import test, { after, before } from "node:test";

import { Webhook } from "standardwebhooks";

import { inRoot, systemEnv } from "../scripts/lib/project.mjs";
import { freePort } from "./support/dev.ts";
import { blocksOf } from "./support/page.ts";

const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const blocks = blocksOf(readFileSync(inRoot("docs", "notifications.md"), "utf8"));
const service = blocks.find(({ language }) => language === "js");
const example = blocks.find(({ language }) => language === "json");

let url: string;
let nextLine: () => Promise<string | undefined>;
let stop: () => Promise<unknown>;
before(async () => {
  assert.ok(service && example);
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", service.text], {
    cwd: inRoot(),
    env: { ...systemEnv(), PORT: `${port}`, WEBHOOK_SECRET: secret },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  nextLine = async () => (await lines.next()).value;
  stop = () => {
    child.kill();
    return once(child, "close");
  };
  assert.equal(await nextLine(), "listening");
});
after(() => stop());

/** Posts a webhook and returns the status of the answer. */
async function post(id: string, body: string, { key = secret, at = new Date() } = {}) {
  const headers = {
    "webhook-id": id,
    "webhook-timestamp": `${Math.floor(at.getTime() / 1000)}`,
    "webhook-signature": new Webhook(key).sign(id, at, body),
  };
  const { status } = await fetch(url, { method: "POST", headers, body });
  return status;
}

/** Returns the page's example with another type and count. */
function message(type: string, count: number) {
  const event = JSON.parse(example?.text ?? "");
  return JSON.stringify({ ...event, type, data: { ...event.data, count } });
}

test("it pushes what is undelivered, mails what is unread, and does each once", async () => {
  assert.equal(await post("1", message("message.undelivered", 2)), 204);
  assert.equal(await nextLine(), "push to customer1: 2 messages from Contractor One");
  assert.equal(await post("1", message("message.undelivered", 2)), 204);
  assert.equal(await post("2", message("message.unread", 1)), 204);
  assert.equal(await nextLine(), "mail to customer1: a message from Contractor One");
  const finished = { type: "campaign.finished", data: { campaignId: "c", sent: 480 } };
  assert.equal(await post("3", JSON.stringify(finished)), 204);
  assert.equal(await nextLine(), "campaign c: 480");
  assert.equal(await post("4", `{"type":"from.the.future","data":{}}`), 204);
});

test("it refuses what is not genuine, and fails where it cannot do its work", async () => {
  const body = message("message.unread", 1);
  const key = `whsec_${Buffer.alloc(32, 8).toString("base64")}`;
  assert.equal(await post("5", body, { key }), 401);
  assert.equal(await post("5", body, { at: new Date(Date.now() - 301_000) }), 401);
  const { status } = await fetch(url, { method: "POST", body });
  assert.equal(status, 401);
  assert.equal(await post("6", `{"type":"message.unread"}`), 500);
  // Nothing was done for any of them.
  assert.equal(await post("5", body), 204);
  assert.equal(await nextLine(), "mail to customer1: a message from Contractor One");
});
