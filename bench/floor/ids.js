// Tokens and ids, as the product's (src/core/token.rs, src/core/ids.rs).

const utf8 = new TextEncoder();

const bytesOf = (base64url) =>
  Uint8Array.from(atob(base64url.replaceAll("-", "+").replaceAll("_", "/")), (char) =>
    char.charCodeAt(0),
  );

let key;

/** Returns the user of a JWT (HS256): `{ id, role, name }`. Throws if it is invalid. */
export async function verify(token, env) {
  key ??= crypto.subtle.importKey(
    "raw",
    utf8.encode(env.JWT_SECRET),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["verify"],
  );
  const [header, claims, signature] = token.split(".");
  const signed = utf8.encode(`${header}.${claims}`);
  if (!(await crypto.subtle.verify("HMAC", await key, bytesOf(signature), signed))) {
    throw new Error("the signature is wrong");
  }
  const {
    sub,
    role = "customer",
    name = null,
    exp,
  } = JSON.parse(new TextDecoder().decode(bytesOf(claims)));
  if (!(exp * 1000 > Date.now())) throw new Error("the token has expired");
  return { id: sub, role, name };
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const dashed = (text) =>
  [
    text.slice(0, 8),
    text.slice(8, 12),
    text.slice(12, 16),
    text.slice(16, 20),
    text.slice(20),
  ].join("-");

/** A UUIDv8 from a hash of the two users. */
export async function conversationId(a, b) {
  const pair = a < b ? [a, b] : [b, a];
  const digest = await crypto.subtle.digest("SHA-256", utf8.encode(pair.join("\n")));
  const bytes = new Uint8Array(digest, 0, 16);
  bytes[6] = (bytes[6] & 0x0f) | 0x80;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return dashed(hex(bytes));
}

/** Returns a function from an index to a UUIDv7; those of one send have a time and random bits in common. */
export function messageIds(now) {
  const time = now.toString(16).padStart(12, "0");
  const random = crypto.getRandomValues(new Uint8Array(8));
  random[0] = (random[0] & 0x3f) | 0x80;
  const tail = hex(random);
  return (index) => dashed(`${time}7${index.toString(16).padStart(3, "0")}${tail}`);
}

export const randomId = () => crypto.randomUUID().replaceAll("-", "").slice(0, 20);

/** The Engine.IO handshake. */
export const openPacket = (env, sid, upgrades) =>
  `0${JSON.stringify({
    sid,
    upgrades,
    pingInterval: Number(env.PING_INTERVAL_MS),
    pingTimeout: Number(env.PING_TIMEOUT_MS),
    maxPayload: 1_000_000,
  })}`;

/** Splits `42[...]` or `42<id>[...]` into the ack's id and the event. */
export function parseEvent(text) {
  const begin = text.indexOf("[");
  const [event, payload] = JSON.parse(text.slice(begin));
  return { ack: text.slice(2, begin), event, payload };
}
