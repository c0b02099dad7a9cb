// The field for a file of receivers, which can be dropped on the form, too.

import { html } from "lit-html";

import { draftOf, toMany } from "../drafts.ts";
import { focusNext } from "../focus.ts";
import { dropFile, takeFile } from "../receiver-file.ts";
import type { ReceiverFile } from "../store.ts";
import { plural } from "./count.ts";

function chosen(event: Event) {
  const input = event.currentTarget as HTMLInputElement;
  const [file] = input.files ?? [];
  if (file) void takeFile(file);
  // Otherwise choosing the same file again would not be a change.
  input.value = "";
}

/** The browser opens a dropped file, unless its dragging is handled. */
export function dragged(event: DragEvent) {
  if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
}

export function dropped(event: DragEvent) {
  const [file] = event.dataTransfer?.files ?? [];
  if (!file) return;
  event.preventDefault();
  void takeFile(file);
}

function remove() {
  dropFile();
  focusNext("#bulk input[type=file]");
}

const fileView = ({ name, receiverIds }: ReceiverFile) => html`
  <bdi>${name}</bdi>: ${plural(receiverIds.length)}
  <button type="button" class="secondary outline small" @click=${remove}>Remove the file</button>
`;

export function fileField() {
  const { file } = draftOf(toMany);
  return html`
    <label for="file">And of a file</label>
    <input
      id="file"
      type="file"
      accept=".csv,.jsonl,.ndjson,.txt"
      aria-describedby="file-help"
      @change=${chosen}
    />
    <small id="file-help">
      One id per line, the first column of a CSV file, or NDJSON with a string per line. The file
      can also be dropped on this form.
    </small>
    <p role="status" data-testid="receiver-file">${file ? fileView(file) : ""}</p>
  `;
}
