// Moves the focus when the focused element disappears or new content should be read.

import { change } from "./store.ts";

let next: string | null = null;

/** Focuses this element after the next render. */
export function focusNext(selector: string) {
  next = selector;
  change();
}

/** Returns whether the focus is in this element. */
export const hasFocus = (selector: string) =>
  document.querySelector(selector)?.contains(document.activeElement) ?? false;

export function moveFocus() {
  if (next) document.querySelector<HTMLElement>(next)?.focus();
  next = null;
}
