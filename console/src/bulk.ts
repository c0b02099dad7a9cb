// One message to many.

import { load } from "./conversations.ts";
import { ask } from "./requests.ts";
import { change, state } from "./store.ts";
import type { Draft } from "./store.ts";
import { refresh } from "./thread.ts";

/** The ids in a text, each once. They may have spaces in them. */
export function idsIn(text: string): string[] {
  const ids = text.split(/[\n,;]/).map((id) => id.trim());
  return [...new Set(ids.filter((id) => id !== ""))];
}

/** Typed and picked. A picked id is one, whatever it has in it. */
export const receiversOf = ({ receivers, picked }: Draft): string[] => [
  ...new Set([...idsIn(receivers), ...picked]),
];

/** Whether the server has taken it. */
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
