// The table of the results, in Markdown.

import type { Comparison, Results, RowResults } from "./results.ts";

function rounded(value: number) {
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value.toFixed(value >= 10 ? 1 : 2);
}

function figure({ row: { unit } }: RowResults, value: number | null) {
  if (value === null) return "n/a";
  return unit ? `${rounded(value)} ${unit}` : rounded(value);
}

function ratio(comparison: Comparison | null) {
  if (!comparison) return "n/a";
  const [low, high] = comparison.spread.map((value) => value.toFixed(2));
  return `**${comparison.ratio.toFixed(2)}** (${low}–${high})`;
}

function markdown([head, ...body]: string[][]) {
  const widths = head.map((_, column) =>
    Math.max(3, ...[head, ...body].map((cells) => cells[column].length)),
  );
  const line = (cells: string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`;
  const rule = widths.map((width) => "-".repeat(width));
  return [line(head), line(rule), ...body.map(line)].join("\n");
}

export function table(results: Results, product: string, rivals: string[]) {
  const head = ["", product, ...rivals.flatMap((rival) => [rival, "ratio"])];
  const body = results.rows.map((row) => [
    row.row.name,
    figure(row, row.median(product)),
    ...rivals.flatMap((rival) => [
      figure(row, row.median(rival)),
      ratio(row.compare(product, rival)),
    ]),
  ]);
  return markdown([head, ...body]);
}

/** What each row means, as a list. */
export const meanings = (results: Results) =>
  results.rows.map(({ row: { name, meaning } }) => `- **${name}**: ${meaning}.`).join("\n");
