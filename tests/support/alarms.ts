// What the runtime's log must not contain.

import assert from "node:assert/strict";

/**
 * Fails if an alarm was set in such a way that the runtime had to cancel one that was about to run. It says so in its
 * own log, at most once in a while. Alarms that were set for a time before `startedAt` (Unix milliseconds) do not
 * count: if the server is killed, what the runtime has stored about an alarm in two places may differ. Neither do those
 * that an object has given up, and said so: the machine stood still for seconds. Each of the `erasures` deletes an
 * alarm, which may be about to run.
 */
export function assertNoCancelledAlarm(log: string, startedAt = 0, erasures = 0) {
  const cancelled = /alarm handler canceled.*?scheduledTime = ([\d.]+)s/g;
  const lines = [...log.matchAll(cancelled)].filter(([, at]) => Number(at) * 1000 >= startedAt);
  const givenUp = [...log.matchAll(/it is overdue by seconds, so it is set anew/g)].length;
  assert.deepEqual(
    lines.slice(givenUp + erasures).map(([line]) => line),
    [],
    "an alarm was set in a way that cancels another one",
  );
}
