// Public keys and what they signed: fetches an issuer's keys, and checks signatures by WebCrypto, so that the wasm
// needs no cryptography of its own for them.

import { waitUntil } from "cloudflare:workers";

/** How each algorithm (the `alg` of a token) is named to `importKey` and to `verify`. */
const algorithms = {
  RS256: [{ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, "RSASSA-PKCS1-v1_5"],
  ES256: [
    { name: "ECDSA", namedCurve: "P-256" },
    { name: "ECDSA", hash: "SHA-256" },
  ],
  EdDSA: [{ name: "Ed25519" }, "Ed25519"],
};

/** Imported keys, by their JWK. A cache: these are keys of the issuer's, so there are only a few at a time. */
const imported = new Map();
const maxImported = 100;

async function importOnce(jwk, parameters) {
  const known = imported.get(jwk);
  if (known) return known;
  const key = await crypto.subtle.importKey("jwk", JSON.parse(jwk), parameters, false, ["verify"]);
  if (imported.size >= maxImported) imported.clear();
  imported.set(jwk, key);
  return key;
}

/**
 * Returns whether `signature` is one of `signed` by the key `jwk`, a JSON text. Rejects if the key is invalid.
 *
 * @param {"RS256" | "ES256" | "EdDSA"} algorithm
 * @param {string} jwk
 * @param {Uint8Array} signed
 * @param {Uint8Array} signature
 */
export async function isGenuine(algorithm, jwk, signed, signature) {
  const [forImport, forVerify] = algorithms[algorithm];
  const key = await importOnce(jwk, forImport);
  return crypto.subtle.verify(forVerify, key, signature, signed);
}

async function read(response, maxBytes) {
  const chunks = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return new Blob(chunks).text();
}

async function get(url, timeoutMs, maxBytes) {
  const headers = { Accept: "application/json" };
  const signal = AbortSignal.timeout(timeoutMs);
  // A redirect counts as a failure: it could lead away from https.
  const response = await fetch(url, { headers, redirect: "manual", signal });
  if (response.status === 200) return read(response, maxBytes);
  await response.body?.cancel();
  throw new Error(`status ${response.status}`);
}

/**
 * Fetches a text. The fetch goes on if the request that began it ends: others wait for its result.
 *
 * @param {string} url
 * @param {number} timeoutMs
 * @param {number} maxBytes
 */
export function load(url, timeoutMs, maxBytes) {
  const loading = get(url, timeoutMs, maxBytes);
  waitUntil(loading.catch(() => {}));
  return loading;
}
