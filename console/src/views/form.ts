// What the forms have in common.

import { edit } from "../drafts.ts";
import type { Draft } from "../store.ts";

/** A form's listener: nothing is sent by the browser. */
export function submitting(act: (form: HTMLFormElement) => unknown) {
  return (event: SubmitEvent) => {
    event.preventDefault();
    void act(event.currentTarget as HTMLFormElement);
  };
}

/** The text of a form's named field, trimmed. */
export const fieldOf = (form: HTMLFormElement, name: string) =>
  String(new FormData(form).get(name) ?? "").trim();

/** The listener of a field that is named as what it holds of a draft. */
export function editing(draftId: string) {
  return (event: InputEvent) => {
    const { name, value } = event.currentTarget as HTMLInputElement;
    edit(draftId, { [name as keyof Draft]: value });
  };
}

/** Enter sends, Shift+Enter begins a new line. */
export function sendOnEnter(event: KeyboardEvent) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  (event.currentTarget as HTMLTextAreaElement).form?.requestSubmit();
}
