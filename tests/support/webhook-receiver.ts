// A server on loopback that takes webhooks, and checks them with the official library.

import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

import { Webhook } from "standardwebhooks";

import { until } from "./clients.ts";

/** An attempt whose signature is genuine. */
export interface Received {
  id: string;
  /** `webhook-timestamp`, in seconds. */
  timestamp: number;
  /** The body is `any`: each test knows its shape. */
  body: any;
  /** What other libraries need to check it. */
  raw: { headers: Record<string, string>; body: string };
}

export type WebhookReceiver = Awaited<ReturnType<typeof startReceiver>>;

/** Starts a receiver that knows this secret. It takes everything until it is told otherwise. */
export async function startReceiver(secret: string) {
  const webhook = new Webhook(secret);
  const received: Received[] = [];
  const refused: string[] = [];
  const hanging: ServerResponse[] = [];
  const status =
    (code: number, headers: Record<string, string> = {}) =>
    (response: ServerResponse) =>
      void response.writeHead(code, headers).end("nobody reads this");
  let answer = status(204);

  async function receive(request: IncomingMessage, response: ServerResponse) {
    const body = await text(request);
    // No header of a webhook can be repeated.
    const headers = request.headers as Record<string, string>;
    const { "webhook-id": id = "", "webhook-timestamp": timestamp } = headers;
    try {
      const event = webhook.verify(body, headers);
      const raw = { headers, body };
      received.push({ id, timestamp: Number(timestamp), body: event, raw });
    } catch (error) {
      refused.push(String(error));
      return status(401)(response);
    }
    answer(response);
  }

  const server = createServer((request, response) => {
    // A client that goes away in the middle of its request has sent nothing.
    receive(request, response).catch(() => response.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}/hook`,
    /** Every attempt with a genuine signature, whatever it was answered. */
    received,
    /** Why other requests were refused. */
    refused,
    /** Resolves to all attempts when there are as many as that. */
    async gets(count: number, timeoutMs?: number) {
      await until(() => received.length >= count, `${count} webhooks`, timeoutMs);
      return received;
    },
    /** Answers with this status from now on: a redirect needs a `Location`, 429 may have a `Retry-After`. */
    respond(code: number, headers?: Record<string, string>) {
      answer = status(code, headers);
    },
    /** Answers nothing from now on, until `respond` says otherwise; what hangs already stays so. */
    hang() {
      answer = (response) => void hanging.push(response);
    },
    /** Resets every connection from now on. */
    reset() {
      answer = (response) => void response.socket?.resetAndDestroy();
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
