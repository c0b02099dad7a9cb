// The webhooks that src/core/webhook/signature.rs must sign exactly like this.

import { readFileSync } from "node:fs";

import { inRoot } from "../../scripts/lib/project.mjs";

export interface Vector {
  id: string;
  /** When it was signed, in seconds. */
  timestamp: number;
  body: string;
  /** The current secret, and the previous one, if there is one. */
  secrets: string[];
  /** One by each secret. */
  signatures: string[];
}

const file = inRoot("tests", "vectors", "webhooks.json");
export const vectors: Vector[] = JSON.parse(readFileSync(file, "utf8"));

export const headersOf = ({ id, timestamp, signatures }: Vector) => ({
  "webhook-id": id,
  "webhook-timestamp": `${timestamp}`,
  "webhook-signature": signatures.join(" "),
});
