// The keys of Web Push (VAPID, RFC 8292): a pair of P-256, in base64url.

const algorithm = { name: "ECDSA", namedCurve: "P-256" };

/**
 * Makes a pair of keys. Browsers subscribe with the public one; every push is signed with the private one.
 *
 * @returns {Promise<{ publicKey: string, privateKey: string }>}
 */
export async function vapidKeys() {
  const { subtle } = globalThis.crypto;
  const { publicKey, privateKey } = await subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const point = Buffer.from(await subtle.exportKey("raw", publicKey)).toString("base64url");
  const { d } = await subtle.exportKey("jwk", privateKey);
  return { publicKey: point, privateKey: d };
}
