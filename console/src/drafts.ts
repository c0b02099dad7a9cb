// What is being written. A draft is sent once, however often it is tried.

import { change, state } from "./store.ts";
import type { Draft } from "./store.ts";

/** The drafts that are no conversation's. */
export const beginning = "beginning";
export const toMany = "to many";

const empty: Draft = { receivers: "", picked: [], jobId: "", text: "", idempotencyKey: "" };

export const draftOf = (id: string): Draft => state.drafts.get(id) ?? empty;

/** Where the page is not served by https, there is no crypto.randomUUID. */
const newKey = () => [...crypto.getRandomValues(new Uint32Array(4))].join("-");

/** What was changed is another message. */
export function edit(id: string, changes: Partial<Draft>) {
  state.drafts.set(id, { ...draftOf(id), ...changes, idempotencyKey: newKey() });
  change();
}

/** What a form is to hold when its draft comes back: that, and what was typed meanwhile. */
function returned(sent: Draft, written: Draft): Draft {
  if (written.text === "") return sent;
  return { ...written, text: `${sent.text}\n${written.text}`, idempotencyKey: newKey() };
}

/** Sends a draft, unless it is under way. Its text leaves the form at once, and comes back if that fails. */
export async function submit(id: string, send: (draft: Draft) => Promise<boolean>) {
  const draft = draftOf(id);
  if (state.sending.has(id) || draft.text.trim() === "") return false;
  state.sending.set(id, draft);
  edit(id, { text: "" });
  const isSent = await send(draft);
  // Someone else may have signed in meanwhile.
  if (state.sending.get(id) !== draft) return false;
  state.sending.delete(id);
  if (!isSent) state.drafts.set(id, returned(draft, draftOf(id)));
  change();
  return isSent;
}

/** All that would be lost: of what is under way nobody knows yet whether it has arrived. */
export function unsent(): Map<string, Draft> {
  const all = new Map(state.drafts);
  for (const [id, draft] of state.sending) all.set(id, returned(draft, draftOf(id)));
  return all;
}
