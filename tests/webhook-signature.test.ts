// The signatures of webhooks that src/core/webhook/signature.rs is tested with are those of the official library, and it
// accepts them, and nothing else.

import assert from "node:assert/strict";
import test, { mock } from "node:test";

import { Webhook } from "standardwebhooks";

import { headersOf, vectors } from "./support/webhook-vectors.ts";
import type { Vector } from "./support/webhook-vectors.ts";

/** Lets the library believe that it is this time, in seconds. */
function at<T>(seconds: number, run: () => T) {
  mock.timers.enable({ apis: ["Date"], now: seconds * 1000 });
  try {
    return run();
  } finally {
    mock.timers.reset();
  }
}

test("the official library signs the vectors like that", () => {
  for (const { id, timestamp, body, secrets, signatures } of vectors) {
    const signed = secrets.map((secret) =>
      new Webhook(secret).sign(id, new Date(timestamp * 1000), body),
    );
    assert.deepEqual(signed, signatures);
  }
});

test("it accepts them with either secret, for five minutes", () => {
  for (const vector of vectors) {
    for (const secret of vector.secrets) {
      const verify = () => new Webhook(secret).verify(vector.body, headersOf(vector));
      assert.deepEqual(at(vector.timestamp + 300, verify), JSON.parse(vector.body));
      assert.throws(() => at(vector.timestamp + 301, verify), /too old/);
    }
  }
});

test("it refuses another id, time, body or secret", () => {
  for (const vector of vectors) {
    const [secret = ""] = vector.secrets;
    const other = `whsec_${Buffer.alloc(24, 9).toString("base64")}`;
    const changed: [string, string, Vector][] = [
      ["id", secret, { ...vector, id: `${vector.id}x` }],
      ["time", secret, { ...vector, timestamp: vector.timestamp + 1 }],
      ["body", secret, { ...vector, body: `${vector.body} ` }],
      ["secret", other, vector],
    ];
    for (const [what, key, one] of changed) {
      const verify = () => new Webhook(key).verify(one.body, headersOf(one));
      assert.throws(() => at(vector.timestamp, verify), /No matching signature/, what);
    }
  }
});
