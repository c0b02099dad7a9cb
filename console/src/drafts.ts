// Unsent messages. A draft is sent at most once, even if sending is retried.

import { change, state } from "./store.ts";
import type { Draft } from "./store.ts";

/** Ids of the drafts that belong to a form instead of a conversation. */
export const beginning = "beginning";
export const toMany = "to many";

const empty: Draft = {
  receivers: "",
  picked: [],
  file: null,
  jobId: "",
  text: "",
  idempotencyKey: "",
  campaignId: null,
};

export const draftOf = (id: string): Draft => state.drafts.get(id) ?? empty;

/** crypto.randomUUID is not available on pages served over http. */
const newKey = () => [...crypto.getRandomValues(new Uint32Array(4))].join("-");

/** Returns a changed draft. It counts as another message, so it gets a new idempotency key, and its own campaign. */
const changed = (draft: Draft, changes: Partial<Draft>): Draft => ({
  ...draft,
  ...changes,
  idempotencyKey: newKey(),
  campaignId: null,
});

export function edit(id: string, changes: Partial<Draft>) {
  state.drafts.set(id, changed(draftOf(id), changes));
  change();
}

/** Returns the draft to show after sending failed: the sent text, followed by what was typed meanwhile. */
function returned(sent: Draft, written: Draft): Draft {
  if (written.text === "") return sent;
  return changed(written, { text: `${sent.text}\n${written.text}` });
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

/** A file of receivers may be larger than what the browser stores for a tab. */
const withoutFile = (draft: Draft) => (draft.file ? changed(draft, { file: null }) : draft);

/**
 * Returns all drafts, including those being sent: it is not yet known whether those have arrived. Files are left
 * out.
 */
export function unsent(): Map<string, Draft> {
  const all = new Map(state.drafts);
  for (const [id, draft] of state.sending) all.set(id, returned(draft, draftOf(id)));
  return new Map([...all].map(([id, draft]) => [id, withoutFile(draft)]));
}
