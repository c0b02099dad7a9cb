// The cryptography of Web Push, by the module that the Worker uses: the examples of the RFCs, and what another
// implementation makes of its output.

import assert from "node:assert/strict";
import test from "node:test";

import { vapidKeys } from "../scripts/lib/vapid.mjs";
import { encrypt, vapid } from "../src/platform/web_push.js";
import { browserKeys, readPush, readVapid } from "./support/push-browser.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text, "base64url"));
const base64Url = (some: Uint8Array) => Buffer.from(some).toString("base64url");

/** RFC 8291, section 5 and appendix A. */
const example = {
  text: "When I grow up, I want to be a watermelon",
  browser: {
    privateKey: "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94",
    publicKey:
      "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    auth: "BTBZMqHH6r4Tts7J_aSIgg",
  },
  sender: {
    privateKey: "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw",
    publicKey:
      "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
  },
  salt: "DGv6ra1nlYgDCS1FRnbzlw",
  body:
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8w" +
    "EqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
};

/** RFC 8292, section 2.4, without line breaks. */
const signedExample =
  "vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3" +
  "NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtm" +
  "ysazNjjvW2L9OkSSHzvoD1oA, k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2Em" +
  "ClBPs";

/** Imports a pair of keys, which WebCrypto does not take as raw bytes. */
async function imported(publicKey: string, d: string): Promise<CryptoKeyPair> {
  const point = bytes(publicKey);
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map(base64Url);
  const jwk = { kty: "EC", crv: "P-256", x, y };
  const algorithm = { name: "ECDH", namedCurve: "P-256" };
  return {
    publicKey: await crypto.subtle.importKey("jwk", jwk, algorithm, true, []),
    privateKey: await crypto.subtle.importKey("jwk", { ...jwk, d }, algorithm, false, [
      "deriveBits",
    ]),
  };
}

test("the example of RFC 8291, byte for byte", async () => {
  const { text, browser, sender, salt, body } = example;
  const pair = await imported(sender.publicKey, sender.privateKey);
  const encrypted = await encrypt(text, browser.publicKey, browser.auth, pair, bytes(salt));
  assert.equal(base64Url(encrypted), body);
  const keys = browserKeys(browser.privateKey, browser.auth);
  assert.equal(keys.keys.p256dh, browser.publicKey);
  assert.equal(readPush(bytes(body), keys), text);
});

test("only the browser can read a push, and no two pushes are alike", async () => {
  const [browser, other] = [browserKeys(), browserKeys()];
  const { p256dh, auth } = browser.keys;
  for (const text of ["", "{}", "Grüße, 😀", "x".repeat(3993)]) {
    const [one, two] = [await encrypt(text, p256dh, auth), await encrypt(text, p256dh, auth)];
    for (const body of [one, two]) assert.equal(readPush(body, browser), text);
    // The salt, the sender's key, and everything that is encrypted.
    for (const [start, end] of [[0, 16], [21, 86], [86]]) {
      assert.notDeepEqual(one.subarray(start, end), two.subarray(start, end));
    }
    assert.ok(one.length <= 4096);
    assert.throws(() => readPush(one, other));
    assert.throws(() => readPush(one, { ...browser, keys: { p256dh, auth: other.keys.auth } }));
    one[one.length - 1] ^= 1;
    assert.throws(() => readPush(one, browser));
  }
});

test("a key that is not on the curve is refused", async () => {
  const { auth } = browserKeys().keys;
  const nowhere = base64Url(new Uint8Array(65).fill(4));
  await assert.rejects(encrypt("text", nowhere, auth));
});

test("the example of RFC 8292", async () => {
  const theirs = readVapid(signedExample);
  assert.ok(theirs.isGenuine);
  const { aud, sub, exp } = theirs.claims;
  // Its private key is not published. Signatures differ anyway, but what is signed does not.
  const { publicKey, privateKey } = await vapidKeys();
  const ours = readVapid(await vapid(aud, sub, publicKey, privateKey, exp));
  assert.ok(ours.isGenuine);
  assert.equal(ours.publicKey, publicKey);
  assert.equal(ours.signed, theirs.signed);
});

test("keys that do not belong together sign nothing", async () => {
  const [one, other] = [await vapidKeys(), await vapidKeys()];
  const sign = vapid("https://push.example", "mailto:a@b", one.publicKey, other.privateKey, 1);
  await assert.rejects(sign);
});
