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

/** The scopes of the HTTP API. */
const scopes = ["users:write", "messages:send", "messages:read", "admin"];

/** The audience of tokens for the HTTP API, unless SERVICE_AUDIENCE is set. */
const serviceAudience = "switchboard";

function checkScope(scope) {
  const unknown = scope.split(" ").find((one) => !scopes.includes(one));
  if (unknown !== undefined) {
    throw new Failure(`the scopes are ${scopes.join(", ")}, not "${unknown}"`);
  }
}

/**
 * Returns the claims of a token that is valid from now on. `role`, `name` and `scope` are optional. A token with a
 * scope, or several of them separated by spaces, is one for the HTTP API.
 *
 * @param {{ sub?: string, role?: string, name?: string, scope?: string, ttl?: string }} claims
 */
export function tokenClaims({ sub, role, name, scope, ttl = "1h" }) {
  checkUserId(sub);
  if (role !== undefined) checkRole(role);
  if (scope !== undefined) checkScope(scope);
  const aud = scope === undefined ? undefined : serviceAudience;
  const iat = Math.floor(Date.now() / 1000);
  return { sub, role, name, aud, scope, iat, exp: iat + parseTtl(ttl) };
}
