// Signs development tokens in the format that the Worker accepts (src/core/token.rs): JWT with HS256.

import { createHmac } from "node:crypto";

import { Failure } from "./project.mjs";
import { checkRole, checkUserId } from "./users.mjs";

export { localSecret, readSecret } from "./secret.mjs";

const secondsPer = { s: 1, m: 60, h: 3600, d: 86_400 };

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

export function signToken(claims, secret) {
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

/** Converts a duration such as 30s, 15m, 1h or 7d to seconds. */
export function parseTtl(text) {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (!(Number(count) > 0))
    throw new Failure(`--ttl is a duration such as 30s, 15m, 1h or 7d, not "${text}"`);
  return Number(count) * secondsPer[unit];
}

/**
 * Returns the claims of a token that is valid from now on. `role`, `name` and `scope` are optional. The
 * HTTP API accepts tokens with the scope "service".
 *
 * @param {{ sub?: string, role?: string, name?: string, scope?: string, ttl?: string }} claims
 */
export function tokenClaims({ sub, role, name, scope, ttl = "1h" }) {
  checkUserId(sub);
  if (role !== undefined) checkRole(role);
  if (scope !== undefined && scope !== "service") {
    throw new Failure(`the only scope is "service", not "${scope}"`);
  }
  const iat = Math.floor(Date.now() / 1000);
  return { sub, role, name, scope, iat, exp: iat + parseTtl(ttl) };
}
