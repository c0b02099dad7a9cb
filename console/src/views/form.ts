// Helpers shared by the forms.

import { edit } from "../drafts.ts";
import type { Draft } from "../store.ts";

/** Returns a submit listener that keeps the browser from sending the form. */
export function submitting(act: (form: HTMLFormElement) => unknown) {
  return (event: SubmitEvent) => {
    event.preventDefault();
    void act(event.currentTarget as HTMLFormElement);
  };
}

/** Returns the trimmed text of a form's field. */
export const fieldOf = (form: HTMLFormElement, name: string) =>
  String(new FormData(form).get(name) ?? "").trim();

/** Returns an input listener that updates the draft's property with the same name as the field. */
export function editing(draftId: string) {
  return (event: InputEvent) => {
    const { name, value } = event.currentTarget as HTMLInputElement;
    edit(draftId, { [name as keyof Draft]: value });
  };
}

/** Enter sends; Shift+Enter inserts a line break. */
export function sendOnEnter(event: KeyboardEvent) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  (event.currentTarget as HTMLTextAreaElement).form?.requestSubmit();
}
