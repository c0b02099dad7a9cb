// One message to many.

import { ask } from "./requests.ts";
import { change, state } from "./store.ts";
import { load } from "./messages.ts";

/** The ids in a text, each once. They may have spaces in them. */
export function receiverIds(text: string): string[] {
  const ids = text.split(/[\n,;]/).map((id) => id.trim());
  return [...new Set(ids.filter((id) => id !== ""))];
}

export async function sendBulk(receiverIds: string[], text: string, jobId: string | null) {
  change({ bulk: { isSending: true, total: receiverIds.length, result: null } });
  const result = await ask("send_bulk_message", {
    receiverIds,
    messageType: "text",
    content: { text },
    jobId,
    idempotencyKey: crypto.randomUUID(),
  });
  change({ bulk: { ...state.bulk, isSending: false, result } });
  if (result) await load();
}
