// Unsent messages. A draft is sent at most once, even if sending is retried.

import { change, state } from "./store.ts";
import type { Draft } from "./store.ts";

/** Ids of the drafts that belong to a form instead of a conversation. */
export const beginning = "beginning";
export const toMany = "to many";

const empty: Draft = { receivers: "", picked: [], jobId: "", text: "", idempotencyKey: "" };

export const draftOf = (id: string): Draft => state.drafts.get(id) ?? empty;

/** crypto.randomUUID is not available on pages served over http. */
const newKey = () => [...crypto.getRandomValues(new Uint32Array(4))].join("-");

/** Changes a draft. The result counts as another message, so it gets a new idempotency key. */
export function edit(id: string, changes: Partial<Draft>) {
  state.drafts.set(id, { ...draftOf(id), ...changes, idempotencyKey: newKey() });
  change();
}

/** Returns the draft to show after sending failed: the sent text, followed by what was typed meanwhile. */
function returned(sent: Draft, written: Draft): Draft {
  if (written.text === "") return sent;
  return { ...written, text: `${sent.text}\n${written.text}`, idempotencyKey: newKey() };
}

/**
 * Sends a draft unless it is already being sent. The form is cleared at once; if sending fails, the text is
 * restored.
 */
export async function submit(id: string, send: (draft: Draft) => Promise<boolean>) {
  const draft = draftOf(id);
  if (state.sending.has(id) || draft.text.trim() === "") return false;
  state.sending.set(id, draft);
  edit(id, { text: "" });
  const isSent = await send(draft);
  // Meanwhile another user may have signed in.
  if (state.sending.get(id) !== draft) return false;
  state.sending.delete(id);
  if (!isSent) state.drafts.set(id, returned(draft, draftOf(id)));
  change();
  return isSent;
}

/** Returns all drafts, including those being sent: it is not yet known whether those have arrived. */
export function unsent(): Map<string, Draft> {
  const all = new Map(state.drafts);
  for (const [id, draft] of state.sending) all.set(id, returned(draft, draftOf(id)));
  return all;
}
