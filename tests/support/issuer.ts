// An issuer of tokens on loopback: signs them with keys of its own, and serves the public keys as a JWKS.

import { generateKeyPairSync, sign } from "node:crypto";
import type { KeyObject, SignKeyObjectInput } from "node:crypto";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";

/** A key with its id. `jwk` is what the issuer publishes. */
export interface IssuerKey {
  kid: string;
  alg: string;
  jwk: Record<string, unknown>;
  privateKey: KeyObject;
}

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

const pairs = {
  RS256: (bits: number) => generateKeyPairSync("rsa", { modulusLength: bits }),
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: () => generateKeyPairSync("ed25519"),
};

/** Makes a key; `bits` is the length of an RSA key. */
export function issuerKey(alg: keyof typeof pairs, kid: string, bits = 2048): IssuerKey {
  const { publicKey, privateKey } = pairs[alg](bits);
  return { kid, alg, jwk: { ...publicKey.export({ format: "jwk" }), kid }, privateKey };
}

/** Signs the claims, which expire in an hour unless they say otherwise. `header` overrides the token's header. */
export function issue(key: IssuerKey, sub: string, claims: object = {}, header: object = {}) {
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const { kid, alg, privateKey } = key;
  const signed = `${encode({ alg, kid, ...header })}.${encode({ sub, exp, ...claims })}`;
  const options: SignKeyObjectInput = { key: privateKey };
  const input = alg === "ES256" ? { ...options, dsaEncoding: "ieee-p1363" as const } : options;
  const signature = sign(alg === "EdDSA" ? null : "sha256", Buffer.from(signed), input);
  return `${signed}.${signature.toString("base64url")}`;
}

export type Issuer = Awaited<ReturnType<typeof startIssuer>>;

/** Serves these keys. What it answers can be changed at any time. */
export async function startIssuer(keys: IssuerKey[]) {
  const published = (some: IssuerKey[]) => JSON.stringify({ keys: some.map(({ jwk }) => jwk) });
  let answer = (response: ServerResponse) => void response.end(published(keys));
  let fetches = 0;
  const server = createServer((_request, response) => {
    fetches += 1;
    answer(response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/keys`,
    /** How often the keys were fetched. */
    fetches: () => fetches,
    publish(...some: IssuerKey[]) {
      answer = (response) => void response.end(published(some));
    },
    respond(status: number, body: string, headers: Record<string, string> = {}) {
      answer = (response) => void response.writeHead(status, headers).end(body);
    },
    /** From now on, does not answer, until the returned function is called. */
    hang() {
      const waiting: ServerResponse[] = [];
      answer = (response) => void waiting.push(response);
      return (...some: IssuerKey[]) => {
        this.publish(...some);
        for (const response of waiting) answer(response);
      };
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
