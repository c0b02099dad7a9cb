// Rows of the tables in which the record was before migrations/0004_compact_record.sql.

import { createHash, randomBytes } from "node:crypto";

const dashed = (hex: string) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");

/** As in src/core/ids.rs. */
function conversationId(a: string, b: string) {
  const hash = createHash("sha256");
  const compare = (one: string, other: string) =>
    Buffer.compare(Buffer.from(one), Buffer.from(other));
  for (const id of [a, b].sort(compare)) {
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(Buffer.byteLength(id)));
    hash.update(length).update(id);
  }
  const bytes = hash.digest().subarray(0, 16);
  bytes[6] = (bytes[6] & 0x0f) | 0x80;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return dashed(bytes.toString("hex"));
}

/** Returns the ids of a send's messages, of a random UUIDv7. */
function messageIds(at: number, count: number) {
  const tail = `8${randomBytes(8).toString("hex").slice(1)}`;
  const time = at.toString(16).padStart(12, "0");
  const counter = (index: number) => index.toString(16).padStart(3, "0");
  return Array.from({ length: count }, (_, index) => dashed(`${time}7${counter(index)}${tail}`));
}

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

/**
 * Returns statements that store a send of each text, a minute apart and all of them a while ago, and the ids of the
 * receivers' conversations with the sender.
 */
export function oldRecord(senderId: string, receiverIds: string[], texts: string[]) {
  const conversations = new Map(receiverIds.map((id) => [id, conversationId(senderId, id)]));
  const begin = Date.now() - 3_600_000;
  const sends = texts.map((text, index) => {
    const at = begin + index * 60_000;
    return { at, content: JSON.stringify({ text }), ids: messageIds(at, receiverIds.length) };
  });
  const statements = receiverIds.flatMap((receiverId, index) => {
    const id = conversations.get(receiverId) ?? "";
    const [userA, userB] = [senderId, receiverId].sort().map(literal);
    const last = sends.at(-1)?.ids[index] ?? "";
    const values = `'${id}', ${userA}, ${userB}, NULL, '${last}', ${begin}, ${begin}, NULL, NULL`;
    const messages = sends.map(({ at, content, ids }) => {
      const participants = `${literal(senderId)}, ${literal(receiverId)}`;
      const message = `'${id}', '${ids[index]}', ${participants}, 'text', ${literal(content)}, NULL, ${at}`;
      return `INSERT INTO old_messages VALUES (${message})`;
    });
    return [`INSERT INTO old_conversations VALUES (${values})`, ...messages];
  });
  return { statements, conversations };
}
