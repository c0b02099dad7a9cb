// Validates the server's output against asyncapi.yaml. clients.ts checks every event and ack with it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import type { ValidateFunction } from "ajv";
import addFormats from "ajv-formats";
import { parse } from "yaml";

import { inRoot } from "../../scripts/lib/project.mjs";

interface Message {
  name: string;
  payload: object;
  examples: { payload: unknown }[];
  "x-ack"?: object;
}

interface Document {
  components: { messages: Record<string, Message>; schemas: object };
}

export const document: Document = parse(readFileSync(inRoot("asyncapi.yaml"), "utf8"));
export const messages = Object.values(document.components.messages);

const integers = { uint: true, uint8: true, uint16: true, uint32: true, uint64: true } as const;
const ajv = new Ajv({ allErrors: true, formats: integers, strict: false });
// The package's types describe its CommonJS form.
(addFormats as unknown as typeof addFormats.default)(ajv);

const compile = (schema: object) => ajv.compile({ ...schema, components: document.components });
const compiled = (schemas: [string, object | undefined][]) =>
  new Map(schemas.flatMap(([name, schema]) => (schema ? [[name, compile(schema)]] : [])));

const payloads = compiled(messages.map(({ name, payload }) => [name, payload]));
const acks = compiled(messages.map((message) => [message.name, message["x-ack"]]));

function complaint(validate: ValidateFunction | undefined, what: string, value: unknown) {
  if (!validate) return `there is no ${what}`;
  if (validate(value)) return null;
  return `${what}: ${ajv.errorsText(validate.errors)}: ${JSON.stringify(value)}`;
}

/** Returns how an event's payload violates its schema, or null if it is valid. */
export const payloadFault = (name: string, payload: unknown) =>
  complaint(payloads.get(name), `event ${name}`, payload);

/** Fails unless the payload matches the event's schema in asyncapi.yaml. */
export const checkPayload = (name: string, payload: unknown) =>
  assert.equal(payloadFault(name, payload), null);

/** Fails unless the ack matches the request's schema in asyncapi.yaml. */
export const checkAck = (name: string, ack: unknown) =>
  assert.equal(complaint(acks.get(name), `ack of ${name}`, ack), null);
