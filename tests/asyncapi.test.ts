// Checks asyncapi.yaml with the official parser. Other checks: `npm run contract -- --check` compares it with
// the Rust types, `cargo test` compares its examples with what the code reads and writes, and every test
// validates the server's events against it (support/contract.ts).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Parser } from "@asyncapi/parser";

import { inRoot } from "../scripts/lib/project.mjs";
import { checkPayload, messages, payloadFault } from "./support/contract.ts";

const text = readFileSync(inRoot("asyncapi.yaml"), "utf8");
const parser = new Parser();

test("the official parser reports no problems", async () => {
  const { diagnostics } = await parser.parse(text);
  const complaints = diagnostics.map(({ message, path }) => `${path.join("/")}: ${message}`);
  assert.deepEqual(complaints, []);
});

test("it contains every event in both directions", async () => {
  const { document } = await parser.parse(text);
  assert.ok(document);
  const received = document.operations().filterByReceive();
  const sent = document.operations().filterBySend();
  assert.equal(received.length, 30);
  assert.deepEqual(
    sent.map((operation) => operation.id()),
    [
      "bulk_message_sent",
      "campaign_finished",
      "campaign_progress",
      "error",
      "message_delivered",
      "message_read",
      "new_message",
      "preferences",
      "unread_total",
      "user_online_status",
      "user_typing",
    ],
  );
});

test("every example matches its payload schema", () => {
  for (const { name, examples } of messages) {
    assert.ok(examples.length > 0, name);
    for (const { payload } of examples) checkPayload(name, payload);
  }
});

test("a payload that does not match its schema is detected", () => {
  for (const { name, examples } of messages) {
    for (const [field, value] of Object.entries(examples[0]?.payload ?? {})) {
      const bad = { ...(examples[0]?.payload as object), [field]: [[value]] };
      assert.notEqual(payloadFault(name, bad), null, `${name}: ${field}`);
    }
  }
});
