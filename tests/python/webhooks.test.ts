// The official Python library accepts the signatures that src/core/webhook/signature.rs is tested with, and nothing else.

import assert from "node:assert/strict";
import test from "node:test";

import { headersOf, vectors } from "../support/webhook-vectors.ts";
import { verifyWebhooks } from "./support.ts";

const other = `whsec_${Buffer.alloc(24, 9).toString("base64")}`;

test("it accepts them with either secret, for five minutes", async () => {
  const each = vectors.flatMap((vector) =>
    vector.secrets.map((secret) => ({ secret, headers: headersOf(vector), body: vector.body })),
  );
  const ages = async (seconds: number) => {
    const at = ({ headers }: (typeof each)[number]) => Number(headers["webhook-timestamp"]);
    const aged = each.map((webhook) => ({ ...webhook, at: at(webhook) + seconds }));
    return [...new Set(await verifyWebhooks(aged))];
  };
  assert.deepEqual(await ages(300), ["accepted"]);
  assert.deepEqual(await ages(301), ["refused: Message timestamp too old"]);
});

test("it refuses another id, time, body or secret", async () => {
  const changed = vectors.flatMap((vector) => {
    const [secret = ""] = vector.secrets;
    const of = (one: typeof vector, key = secret) => ({
      secret: key,
      headers: headersOf(one),
      body: one.body,
      at: vector.timestamp,
    });
    return [
      of({ ...vector, id: `${vector.id}x` }),
      of({ ...vector, timestamp: vector.timestamp + 1 }),
      of({ ...vector, body: `${vector.body} ` }),
      of(vector, other),
    ];
  });
  const answers = await verifyWebhooks(changed);
  assert.deepEqual(
    answers,
    changed.map(() => "refused: No matching signature found"),
  );
});
