// The official Python library accepts what the Worker sends, and the signatures that src/core/webhook/signature.rs is tested
// with, and nothing else.

import assert from "node:assert/strict";
import test from "node:test";

import { closeAll, contractor, sendText } from "../support/clients.ts";
import { WEBHOOK_SECRET, webhookOf } from "../support/notices.ts";
import { startServer } from "../support/server.ts";
import { startReceiver } from "../support/webhook-receiver.ts";
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

test("it accepts what the Worker sends", async () => {
  const receiver = await startReceiver(WEBHOOK_SECRET);
  const vars = { NOTIFY_AFTER_MS: 100, WEBHOOK_SECRET, WEBHOOK_URL: receiver.url };
  const server = await startServer({ vars });
  await server.addUser("away");
  await sendText(await contractor(server), ["away"], "Grüße 👋");
  const { raw } = await webhookOf(receiver, "message.undelivered", "away");
  const answers = await verifyWebhooks([{ secret: WEBHOOK_SECRET, ...raw }]);
  assert.deepEqual(answers, ["accepted"]);
  closeAll();
  receiver.close();
  await server.close();
});
