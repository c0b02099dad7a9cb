// The figures of all runs, and what they say together.

import type { Row } from "../scenarios/bench.ts";

export function median(values: number[]) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export interface Comparison {
  /** The ratio of the medians of all runs. */
  ratio: number;
  /** The smallest and the largest ratio of two runs in turn. */
  spread: [number, number];
}

/** The medians of a row's runs, by target. */
export class RowResults {
  readonly row: Row;
  readonly #runs = new Map<string, number[]>();

  constructor(row: Row) {
    this.row = row;
  }

  add(target: string, samples: number[]) {
    this.#runs.set(target, [...(this.#runs.get(target) ?? []), median(samples)]);
  }

  /** Returns the median of the target's runs, or null if it has none. */
  median(target: string) {
    const runs = this.#runs.get(target)?.filter(Number.isFinite) ?? [];
    return runs.length > 0 ? median(runs) : null;
  }

  compare(target: string, rival: string): Comparison | null {
    const [ours, theirs] = [this.median(target), this.median(rival)];
    if (ours === null || theirs === null) return null;
    const other = this.#runs.get(rival) ?? [];
    const ratios = (this.#runs.get(target) ?? []).map((value, index) => value / other[index]);
    return { ratio: ours / theirs, spread: [Math.min(...ratios), Math.max(...ratios)] };
  }
}

export class Results {
  readonly #rows = new Map<string, RowResults>();
  readonly #last: Row | undefined;

  /** `last` is shown after all other rows. */
  constructor(last?: Row) {
    this.#last = last;
  }

  /** Adds the samples of one run. */
  add(target: string, rows: Record<string, Row>, samples: Record<string, number[]>) {
    for (const [key, row] of Object.entries(rows)) {
      const results = this.#rows.get(row.name) ?? new RowResults(row);
      this.#rows.set(row.name, results);
      if (samples[key]) results.add(target, samples[key]);
    }
  }

  get rows() {
    const rows = [...this.#rows.values()];
    const isLast = ({ row }: RowResults) => row === this.#last;
    return [...rows.filter((row) => !isLast(row)), ...rows.filter(isLast)];
  }
}
