// Moves the focus on purpose, where what had it goes away or something new is to be read.

import { change } from "./store.ts";

let next: string | null = null;

/** The focus goes there when the page is drawn next. */
export function focusNext(selector: string) {
  next = selector;
  change();
}

export function moveFocus() {
  if (next) document.querySelector<HTMLElement>(next)?.focus();
  next = null;
}
