// What the runtime's log must not contain.

import assert from "node:assert/strict";

/**
 * Fails if an alarm was set in such a way that the runtime had to cancel one that was about to run. It says so in its
 * own log, at most once in a while.
 */
export function assertNoCancelledAlarm(log: string) {
  const lines = log.split("\n").filter((line) => /alarm handler canceled/.test(line));
  assert.deepEqual(lines, [], "an alarm was set in a way that cancels another one");
}
