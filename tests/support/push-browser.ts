// What a browser and its push service know of a subscription: the browser's keys, and how to read what arrives. The
// decryption is not ours, so that it shows whether others understand what we send.

import assert from "node:assert/strict";
import { createECDH, createPublicKey, randomBytes, verify } from "node:crypto";
import type { ECDH } from "node:crypto";
import { createRequire } from "node:module";

/** The part of http_ece that is used: it has no types. */
interface Ece {
  decrypt(body: Buffer, options: { version: string; privateKey: ECDH; authSecret: string }): Buffer;
}
const ece: Ece = createRequire(import.meta.url)("http_ece");

export interface BrowserKeys {
  /** As in a PushSubscription. */
  keys: { p256dh: string; auth: string };
  ecdh: ECDH;
}

/** Makes the keys of a subscription; `privateKey` and `auth` (base64url) are those of an example. */
export function browserKeys(
  privateKey?: string,
  auth = randomBytes(16).toString("base64url"),
): BrowserKeys {
  const ecdh = createECDH("prime256v1");
  if (privateKey) ecdh.setPrivateKey(privateKey, "base64url");
  else ecdh.generateKeys();
  return { keys: { p256dh: ecdh.getPublicKey("base64url"), auth }, ecdh };
}

/** Decrypts the body of a push (RFC 8291). Throws if it is not for this browser. */
export function readPush(body: Uint8Array, { keys, ecdh }: BrowserKeys): string {
  const options = { version: "aes128gcm", privateKey: ecdh, authSecret: keys.auth };
  return ece.decrypt(Buffer.from(body), options).toString();
}

export interface VapidToken {
  publicKey: string;
  /** The header and the claims as they were signed. */
  signed: string;
  claims: { aud: string; exp: number; sub: string };
  isGenuine: boolean;
}

/** Reads an `Authorization: vapid t=…, k=…` (RFC 8292, section 3) and checks its signature. */
export function readVapid(authorization: string): VapidToken {
  const [, token, publicKey] = /^vapid t=([\w.-]+), k=([\w-]+)$/.exec(authorization) ?? [];
  assert.ok(token && publicKey, authorization);
  const [header, claims, signature] = token.split(".");
  const point = Buffer.from(publicKey, "base64url");
  assert.equal(point.length, 65);
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) =>
    part.toString("base64url"),
  );
  const key = createPublicKey({ key: { kty: "EC", crv: "P-256", x, y }, format: "jwk" });
  const signed = `${header}.${claims}`;
  const how = { key, dsaEncoding: "ieee-p1363" as const };
  return {
    publicKey,
    signed,
    claims: JSON.parse(Buffer.from(claims, "base64url").toString()),
    isGenuine: verify("sha256", Buffer.from(signed), how, Buffer.from(signature, "base64url")),
  };
}
