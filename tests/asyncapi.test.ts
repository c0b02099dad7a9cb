// asyncapi.yaml, as the official parser reads it. That it says what the Rust types say is checked by
// `npm run contract -- --check`, that its examples are what the code takes and gives by `cargo test`, and
// that the server keeps to it by every test (support/contract.ts).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Parser } from "@asyncapi/parser";

import { inRoot } from "../scripts/lib/project.mjs";
import { checkPayload, messages, payloadFault } from "./support/contract.ts";

const text = readFileSync(inRoot("asyncapi.yaml"), "utf8");
const parser = new Parser();

test("the official parser has nothing to say against it", async () => {
  const { diagnostics } = await parser.parse(text);
  const complaints = diagnostics.map(({ message, path }) => `${path.join("/")}: ${message}`);
  assert.deepEqual(complaints, []);
});

test("it knows every event, both ways", async () => {
  const { document } = await parser.parse(text);
  assert.ok(document);
  const received = document.operations().filterByReceive();
  const sent = document.operations().filterBySend();
  assert.equal(received.length, 15);
  assert.deepEqual(
    sent.map((operation) => operation.id()),
    [
      "error",
      "message_delivered",
      "message_read",
      "new_message",
      "user_online_status",
      "user_typing",
    ],
  );
});

test("every example is in the shape of its payload", () => {
  for (const { name, examples } of messages) {
    assert.ok(examples.length > 0, name);
    for (const { payload } of examples) checkPayload(name, payload);
  }
});

test("what is not in the shape of its payload is found", () => {
  for (const { name, examples } of messages) {
    for (const [field, value] of Object.entries(examples[0]?.payload ?? {})) {
      const bad = { ...(examples[0]?.payload as object), [field]: [[value]] };
      assert.notEqual(payloadFault(name, bad), null, `${name}: ${field}`);
    }
  }
});
