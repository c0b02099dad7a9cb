// Judges how many calls to objects run at once, by how long queries of many users take.

/**
 * Where calls count among the six connections that may wait for headers, a query of this many users takes eight times
 * as long as that of one; where they do not, FANOUT_CONCURRENCY's default of 50 lets all of them run at once.
 */
export const manyUsers = 48;

const connections = 6;

/** Calls that take less time do not wait long enough to show whether they wait for each other. */
const shortestCallMs = 10;

/**
 * @typedef {object} Times Medians in milliseconds.
 * @property {number} none A request that calls no object.
 * @property {number} one A query of one user.
 * @property {number} many A query of `manyUsers`.
 */

/**
 * Returns how long one call takes, how many times as long many of them take, and what to set.
 *
 * @param {Times} times
 */
export function judge({ none, one, many }) {
  const callMs = one - none;
  if (callMs < shortestCallMs) {
    return {
      callMs,
      waves: null,
      advice: `calls take less than ${shortestCallMs} ms: too fast to tell. Choose a --region far from you`,
    };
  }
  const waves = (many - none) / callMs;
  const ifCounted = manyUsers / connections;
  if (waves > ifCounted * 0.6) {
    const advice = `calls wait for each other: set FANOUT_CONCURRENCY to ${connections}`;
    return { callMs, waves, advice };
  }
  if (waves < ifCounted * 0.35) {
    return {
      callMs,
      waves,
      advice: "calls do not wait for each other: leave FANOUT_CONCURRENCY at 50",
    };
  }
  return { callMs, waves, advice: "this is neither one nor the other: measure again" };
}

/** @param {number[]} times */
export function median(times) {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
