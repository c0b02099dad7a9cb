// Reproducible random choices, all derived from a seed.

import { randomInt } from "node:crypto";

/** The seed of this run. A failing test prints it, and `TEST_SEED` sets it. */
export const runSeed = Number(process.env.TEST_SEED ?? randomInt(2 ** 31));

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Returns a number in [0, 1) (mulberry32). */
  fraction() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Returns an integer between the bounds, inclusive. */
  from(least: number, most: number) {
    return least + Math.floor(this.fraction() * (most - least + 1));
  }

  chance(probability: number) {
    return this.fraction() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.from(0, choices.length - 1)];
  }
}
