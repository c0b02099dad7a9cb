// Measures round-trip times with one cheap request, which the user's own object answers alone.

import { ask } from "./requests.ts";
import { change, isConnected, state } from "./store.ts";

const maxSamples = 60;

export async function measure() {
  // The connection may have ended while the page was loading. That needs no second complaint.
  if (!state.me || !isConnected()) return;
  const begin = performance.now();
  if (!(await ask("get_online_status", { userId: state.me.userId }))) return;
  const sample = { at: Date.now(), ms: performance.now() - begin };
  change({ samples: [...state.samples, sample].slice(-maxSamples) });
}
