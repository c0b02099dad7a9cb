// What the runtime's WebCrypto makes of Wycheproof's signatures, by way of the module that the Worker uses.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test, { after, before } from "node:test";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";

import { inRoot } from "../scripts/lib/project.mjs";

interface Vectors {
  keySets: Record<string, string>[][];
  tokens: {
    name: string;
    keys: number;
    jws: string;
    /** "refused" ones do not get as far as this: src/core/token/signature.rs refuses them. */
    expected: "valid" | "refused" | "forged";
  }[];
  ed25519: { name: string; x: string; signed: string; signature: string; isGenuine: boolean }[];
}

/** What is to be checked. `signed` and `signature` are in base64url. */
interface Question {
  name: string;
  algorithm: string;
  jwk: object;
  signed: string;
  signature: string;
  isGenuine: boolean;
}

const vectors: Vectors = JSON.parse(
  readFileSync(inRoot("tests", "vectors", "signatures.json"), "utf8"),
);

/** Answers a list of questions with a list of answers; an invalid key counts as a signature that is none. */
const worker = `
import { isGenuine } from "./public_keys.js";
const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const answer = ({ algorithm, jwk, signed, signature }) =>
  isGenuine(algorithm, JSON.stringify(jwk), bytes(signed), bytes(signature)).catch(() => false);
export default {
  fetch: async (request) => Response.json(await Promise.all((await request.json()).map(answer))),
};`;

let runtime: Miniflare;
before(() => {
  const folder = inRoot("src", "platform");
  const contents = readFileSync(inRoot("src", "platform", "public_keys.js"), "utf8");
  const options = convertV4MiniflareOptions({
    compatibilityDate: "2026-10-01",
    modulesRoot: folder,
    modules: [
      { type: "ESModule", path: `${folder}/worker.js`, contents: worker },
      { type: "ESModule", path: `${folder}/public_keys.js`, contents },
    ],
  });
  runtime = new Miniflare(options);
});
after(() => runtime.dispose());

/** Has all of them checked, and lists those whose answer is wrong. */
async function wrongAnswers(questions: Question[]): Promise<string[]> {
  const response = await fetch(await runtime.ready, {
    method: "POST",
    body: JSON.stringify(questions),
  });
  const answers: boolean[] = await response.json();
  assert.equal(answers.length, questions.length);
  return questions.filter(({ isGenuine }, i) => answers[i] !== isGenuine).map(({ name }) => name);
}

const base64url = (text: string) => Buffer.from(text).toString("base64url");

/** The public parts of a key, as src/core/jwks.rs passes them on. */
const publicParts = ({ kty, crv, n, e, x, y }: Record<string, string>) => ({
  kty,
  crv,
  n,
  e,
  x,
  y,
});

function questionOf({ name, keys, jws, expected }: Vectors["tokens"][number]): Question {
  const [header, payload, signature] = jws.split(".");
  const { alg, kid } = JSON.parse(Buffer.from(header, "base64url").toString());
  const key = vectors.keySets[keys].find((one) => one.kid === kid);
  return {
    name,
    algorithm: alg,
    jwk: publicParts(key ?? {}),
    signed: base64url(`${header}.${payload}`),
    signature,
    isGenuine: expected === "valid",
  };
}

test("RS256 and ES256", async () => {
  const questions = vectors.tokens.filter(({ expected }) => expected !== "refused").map(questionOf);
  assert.ok(questions.some(({ isGenuine }) => isGenuine));
  assert.deepEqual(await wrongAnswers(questions), []);
});

test("Ed25519", async () => {
  const questions = vectors.ed25519.map(({ x, ...one }) => ({
    ...one,
    algorithm: "EdDSA",
    jwk: { kty: "OKP", crv: "Ed25519", x },
  }));
  assert.deepEqual(await wrongAnswers(questions), []);
});
