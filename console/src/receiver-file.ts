// Reads the receivers of a message from a file: one id per line, the first column of a CSV file, or NDJSON with one
// string per line.

import { draftOf, edit, toMany } from "./drafts.ts";
import { change, state } from "./store.ts";

const byteOrderMark = /^\ufeff/;
const header = /^(receiver|user)[ _-]?id$/i;
const quotedCell = /^"((?:[^"]|"")*)"\s*(?:[,;\t]|$)/;

function jsonString(line: string): string | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "string" ? value : null;
  } catch {
    return null;
  }
}

/** Returns the id in a line. Only a quoted id can contain a comma, a semicolon or a tab. */
function idIn(line: string): string {
  if (!line.startsWith('"')) return line.split(/[,;\t]/, 1).join("");
  return jsonString(line) ?? quotedCell.exec(line)?.[1]?.replaceAll('""', '"') ?? line;
}

/** Returns the distinct ids in a file's text. A first line such as `receiverId` is a heading. */
function idsInFile(text: string): string[] {
  const lines = text.replace(byteOrderMark, "").split(/\r\n?|\n/);
  const ids = lines.map((line) => idIn(line.trim()).trim()).filter((id) => id !== "");
  return [...new Set(header.test(ids[0] ?? "") ? ids.slice(1) : ids)];
}

/** Takes the receivers from a file instead of those from an earlier one. */
export async function takeFile(file: File) {
  const { me } = state;
  const text = await file.text().catch(() => "");
  // Meanwhile another user may have signed in.
  if (state.me !== me) return;
  const receiverIds = idsInFile(text);
  if (receiverIds.length === 0) return change({ problem: `${file.name} has no receivers in it` });
  edit(toMany, { file: { name: file.name, receiverIds } });
}

export const dropFile = () => edit(toMany, { file: null });
