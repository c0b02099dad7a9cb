// What the forms have in common.

/** The texts of a form's named fields, trimmed. */
export function fields(form: HTMLFormElement): Record<string, string> {
  const entries = [...new FormData(form)].map(([name, value]) => [name, String(value).trim()]);
  return Object.fromEntries(entries);
}

/** A form's listener: nothing is sent by the browser. */
export function submitting(
  act: (fields: Record<string, string>, form: HTMLFormElement) => unknown,
) {
  return (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    void act(fields(form), form);
  };
}

/** Enter sends, Shift+Enter begins a new line. */
export function sendOnEnter(event: KeyboardEvent) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  (event.currentTarget as HTMLTextAreaElement).form?.requestSubmit();
}
