// `npm run measure-fanout -- --url https://...`: measures on a deployed Worker whether its calls to objects wait for
// each other, and says what to set FANOUT_CONCURRENCY to (docs/operations.md).

import { parseArgs } from "node:util";

import { judge, manyUsers, median } from "./lib/fanout.mjs";
import { Failure, isMain, main, parseOrFail } from "./lib/project.mjs";

const usage = `usage: API_KEY=... npm run measure-fanout -- --url https://... [--region oc] [--rounds 15]
region: wnam, enam, sam, weur, eeur, apac, oc, afr or me; choose one that is far from you`;

const options = {
  url: { type: "string" },
  region: { type: "string", default: "oc" },
  rounds: { type: "string", default: "15" },
};

/** The region decides where objects are created, and they stay there, so each region has users of its own. */
const idsIn = (region) =>
  Array.from({ length: manyUsers }, (_, index) => `measure-fanout-${region}-${index}`);

/** Returns a function that calls the HTTP API and fails unless the answer has this status. */
function caller(url, key) {
  return async (method, path, body, expected) => {
    const response = await fetch(new URL(path, url), {
      method,
      headers: { Authorization: `Bearer ${key}` },
      ...(body && { body: JSON.stringify(body) }),
    }).catch((error) => {
      throw new Failure(`${url} cannot be reached: ${error.cause?.message ?? error.message}`);
    });
    const text = await response.text();
    if (response.status === expected) return;
    throw new Failure(`${method} ${path} was answered with ${response.status}: ${text}`);
  };
}

async function timeOf(act) {
  const begin = performance.now();
  await act();
  return performance.now() - begin;
}

/** Takes the kinds of request in turn, so that a slow moment of the network meets all of them. */
async function measure(call, userIds, rounds) {
  const kinds = {
    // Refused by the Worker, which calls nothing.
    none: () => call("POST", "/v1/status", {}, 400),
    one: () => call("POST", "/v1/status", { userIds: userIds.slice(0, 1) }, 200),
    many: () => call("POST", "/v1/status", { userIds }, 200),
  };
  const times = { none: [], one: [], many: [] };
  // The first round creates the objects.
  for (const act of Object.values(kinds)) await act();
  for (let round = 0; round < rounds; round++) {
    for (const [kind, act] of Object.entries(kinds)) times[kind].push(await timeOf(act));
  }
  return { none: median(times.none), one: median(times.one), many: median(times.many) };
}

function report({ none, one, many }) {
  const { callMs, waves, advice } = judge({ none, one, many });
  const ms = (time) => `${time.toFixed(1)} ms`;
  console.log(`a request without a call: ${ms(none)}`);
  console.log(`a query of one user: ${ms(one)}, so a call takes ${ms(callMs)}`);
  console.log(`a query of ${manyUsers} users: ${ms(many)}`);
  if (waves !== null) console.log(`which is ${waves.toFixed(1)} calls, one after another`);
  console.log(advice);
}

if (isMain(import.meta)) {
  await main(async () => {
    const { values } = parseOrFail(() => parseArgs({ options }), usage);
    const key = process.env.API_KEY;
    const rounds = Number(values.rounds);
    if (!values.url || !key || !(rounds >= 1)) throw new Failure(usage);
    const call = caller(values.url, key);
    const userIds = idsIn(values.region);
    const added = [];
    try {
      for (const id of userIds) {
        await call("PUT", `/v1/users/${id}`, { region: values.region }, 200);
        added.push(id);
      }
      report(await measure(call, userIds, rounds));
    } finally {
      for (const id of added) await call("DELETE", `/v1/users/${id}`, null, 204);
    }
  });
}
