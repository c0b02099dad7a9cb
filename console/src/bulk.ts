// Sends one message to many receivers.

import { load } from "./conversations.ts";
import { ask } from "./requests.ts";
import { change, state } from "./store.ts";
import type { Draft } from "./store.ts";
import { refresh } from "./thread.ts";

/** Returns the distinct ids in a text. Line breaks, commas and semicolons separate ids; spaces do not. */
export function idsIn(text: string): string[] {
  const ids = text.split(/[\n,;]/).map((id) => id.trim());
  return [...new Set(ids.filter((id) => id !== ""))];
}

/** Returns the typed and the picked ids. A picked id is never split, whatever characters it contains. */
export const receiversOf = ({ receivers, picked }: Draft): string[] => [
  ...new Set([...idsIn(receivers), ...picked]),
];

/** Sends a bulk message. Returns whether the server accepted it. */
export async function sendBulk(draft: Draft): Promise<boolean> {
  const receiverIds = receiversOf(draft);
  change({ bulk: { total: receiverIds.length, result: null } });
  const result = await ask("send_bulk_message", {
    receiverIds,
    messageType: "text",
    content: { text: draft.text.trim() },
    jobId: draft.jobId.trim() || null,
    idempotencyKey: draft.idempotencyKey,
  });
  if (!result) return false;
  for (const { messageId, delivered } of result.results) {
    if (delivered) state.delivered.add(messageId);
  }
  change({ bulk: { ...state.bulk, result } });
  void load();
  void refresh();
  return true;
}
