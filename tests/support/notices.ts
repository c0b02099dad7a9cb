// What the webhook is told of a user.

import { until } from "./clients.ts";
import type { Received, WebhookReceiver } from "./webhook-receiver.ts";

export const WEBHOOK_SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

/** The user whom a webhook is about. */
const aboutWhom = ({ body: { data } }: Received): string => data.receiverId ?? data.userId;

/** Returns what the webhook was told of this user, with a line for each attempt: its type and count. */
export const toldOf = (receiver: WebhookReceiver, userId: string) =>
  receiver.received
    .filter((one) => aboutWhom(one) === userId && one.body.type.startsWith("message."))
    .map(({ body: { type, data } }) => `${type} ${data.count}`);

/** Resolves to the first webhook of this type about this user. */
export const webhookOf = (
  receiver: WebhookReceiver,
  type: string,
  userId: string,
  timeoutMs?: number,
) =>
  until(
    () => receiver.received.find((one) => one.body.type === type && aboutWhom(one) === userId),
    `${type} of ${userId}`,
    timeoutMs,
  );
