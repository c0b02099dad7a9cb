// Reads the code blocks of a page of docs/, to run them and to compare their output with what the page shows.

import assert from "node:assert/strict";

/** A fenced code block, such as "```sh offline". */
export interface Block {
  language: string;
  mark: string;
  text: string;
  /** The line of prose before the block. */
  before: string;
}

/** Matches a fenced code block: its indentation, language, mark and text. */
export const fence = /^( *)```(\w+) ?(\w*)\n([^]*?)^\1```$/gm;

/** Returns the fenced code blocks of a page. */
export function blocksOf(text: string): Block[] {
  return [...text.matchAll(fence)].map((match) => {
    const [, indent = "", language = "", mark = "", body = ""] = match;
    const lines = body.split("\n").map((line) => line.slice(indent.length));
    const before = text.slice(0, match.index).trimEnd().split("\n").at(-1) ?? "";
    return { language, mark, text: lines.join("\n").trim(), before };
  });
}

export const linesOf = (text: string) => text.split("\n").filter(Boolean);

/** Returns the output that a page shows after one of its blocks. */
export function expectedOf(blocks: Block[], block: Block) {
  const next = blocks[blocks.indexOf(block) + 1];
  return next?.language === "text" ? linesOf(next.text) : [];
}

export const squeeze = (text: string) => text.trim().replace(/\s+/g, " ");
const escape = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Asserts that the output contains these lines in this order; `…` matches anything. */
export function assertShows(output: string, expected: string[], command: string) {
  const lines = output.split("\n").map(squeeze);
  let at = 0;
  for (const wanted of expected.map(squeeze).filter((line) => line !== "…")) {
    const pattern = new RegExp(`^${wanted.split("…").map(escape).join(".*")}$`);
    const found = lines.findIndex((line, index) => index >= at && pattern.test(line));
    assert.ok(found >= 0, `the output of\n${command}\nlacks "${wanted}":\n${output}`);
    at = found + 1;
  }
}
