// HTTP requests that no client makes: bad handshakes, large bodies, invented sessions.

import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

import { openPolling, pick, request, socketIo } from "../target.ts";
import type { Attack } from "../target.ts";

const queries: Record<string, string>[] = [
  { EIO: "3", transport: "polling" },
  { transport: "carrier-pigeon" },
  { transport: "polling", j: "0" },
  { transport: "polling", sid: "x".repeat(1_000) },
  { transport: "websocket" },
  { transport: "websocket", sid: "../../etc/passwd" },
  { transport: "polling", token: "e30.e30." },
  { transport: "polling", token: "x".repeat(8_000) },
];

/** Requests handshakes that are refused. */
export const badHandshake: Attack = async (target) => {
  const method = pick("GET", "POST", "DELETE", "OPTIONS");
  await request(socketIo(target, pick(...queries)), { method });
};

/** Uses a session that never was: its id looks like one. */
export const inventedSession: Attack = async (target) => {
  const sid = randomBytes(30).toString("base64url");
  const url = socketIo(target, { transport: "polling", sid });
  await Promise.all([request(url), request(url, { method: "POST", body: "40" })]);
};

const megabyte = Buffer.alloc(1_000_000, "x");

/** A body that does not declare its length. */
const undeclared = () => new Blob([megabyte, megabyte]).stream();

/** A body that trickles in for ever. */
const trickle = () =>
  new ReadableStream({
    async pull(controller) {
      await pause(100);
      controller.enqueue(Buffer.from("4"));
    },
  });

/** Posts bodies over the limit, and one that never ends, before and after the session has joined. */
export const largeBody: Attack = async (target) => {
  const url = await openPolling(target, pick(true, false));
  if (!url) return;
  const body = pick<BodyInit>(Buffer.concat([megabyte, megabyte]), undeclared(), trickle());
  await request(url, { method: "POST", body, duplex: "half" } as RequestInit);
};

/** Posts a body over the limit to the HTTP API, without a key. */
export const largeApiBody: Attack = async (target) => {
  await request(`${target.url}/v1/messages`, { method: "POST", body: megabyte });
};
