// Web Push by WebCrypto, so that the wasm needs no cryptography of its own for it: encrypts a push for the one browser
// that can read it (RFC 8291, in the encoding of RFC 8188), and signs the token that tells the push service who sends
// it (RFC 8292).

const curve = "P-256";
const recordBytes = 4096;

const utf8 = new TextEncoder();

function fromBase64Url(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

const toBase64Url = (bytes) =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

function joined(...parts) {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

async function hkdf(salt, secret, info, bytes) {
  const key = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  const parameters = { name: "HKDF", hash: "SHA-256", salt, info };
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, key, bytes * 8));
}

/** Returns what both sides can compute, each from its own private key and the other's public key. */
async function sharedSecret(privateKey, publicBytes) {
  const algorithm = { name: "ECDH", namedCurve: curve };
  const publicKey = await crypto.subtle.importKey("raw", publicBytes, algorithm, false, []);
  const agreement = { name: "ECDH", public: publicKey };
  return new Uint8Array(await crypto.subtle.deriveBits(agreement, privateKey, 256));
}

/** Returns a key pair for one push: a new one for each keeps pushes unrelated. */
const newPair = () =>
  crypto.subtle.generateKey({ name: "ECDH", namedCurve: curve }, false, ["deriveBits"]);

/**
 * Encrypts a push. Rejects if `p256dh` is no point of the curve.
 *
 * @param {string} text at most 3,993 bytes: what one record holds, and what every push service takes
 * @param {string} p256dh the browser's public key, in base64url
 * @param {string} auth the browser's secret, in base64url
 * @param {Promise<CryptoKeyPair> | CryptoKeyPair} pair for the RFC's example only
 * @param {Uint8Array} salt likewise
 */
export async function encrypt(
  text,
  p256dh,
  auth,
  pair = newPair(),
  salt = crypto.getRandomValues(new Uint8Array(16)),
) {
  const { privateKey, publicKey } = await pair;
  const receiver = fromBase64Url(p256dh);
  const sender = new Uint8Array(await crypto.subtle.exportKey("raw", publicKey));
  const secret = await sharedSecret(privateKey, receiver);
  // RFC 8291, section 3.4.
  const info = joined(utf8.encode("WebPush: info\0"), receiver, sender);
  const input = await hkdf(fromBase64Url(auth), secret, info, 32);
  // RFC 8188, section 2.
  const keyBytes = await hkdf(salt, input, utf8.encode("Content-Encoding: aes128gcm\0"), 16);
  const iv = await hkdf(salt, input, utf8.encode("Content-Encoding: nonce\0"), 12);
  const key = await crypto.subtle.importKey("raw", keyBytes, "AES-GCM", false, ["encrypt"]);
  // The delimiter of the last record.
  const record = joined(utf8.encode(text), [2]);
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, record);
  const header = new DataView(new ArrayBuffer(5));
  header.setUint32(0, recordBytes);
  header.setUint8(4, sender.length);
  return joined(salt, new Uint8Array(header.buffer), sender, new Uint8Array(sealed));
}

/** Returns the key as WebCrypto imports it: it has no format for the raw bytes of a private key. */
function signingKey(publicKey, privateKey) {
  const point = fromBase64Url(publicKey);
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map(toBase64Url);
  return { kty: "EC", crv: curve, x, y, d: privateKey };
}

/**
 * Returns the value of `Authorization` for a push service. Rejects if the keys do not belong together.
 *
 * @param {string} audience the origin of the push service
 * @param {string} subject whom the push service can ask: a mailto: or https: URL
 * @param {string} publicKey in base64url, as the browser got it with the subscription
 * @param {string} privateKey in base64url
 * @param {number} expires Unix time in seconds, at most 24 hours ahead
 */
export async function vapid(audience, subject, publicKey, privateKey, expires) {
  const jwk = signingKey(publicKey, privateKey);
  const algorithm = { name: "ECDSA", namedCurve: curve };
  const key = await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["sign"]);
  const parts = [
    { typ: "JWT", alg: "ES256" },
    { aud: audience, exp: expires, sub: subject },
  ];
  const encoded = parts.map((part) => toBase64Url(utf8.encode(JSON.stringify(part)))).join(".");
  const how = { name: "ECDSA", hash: "SHA-256" };
  const signature = await crypto.subtle.sign(how, key, utf8.encode(encoded));
  return `vapid t=${encoded}.${toBase64Url(new Uint8Array(signature))}, k=${publicKey}`;
}
