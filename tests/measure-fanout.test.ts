// `npm run measure-fanout`: what it concludes from times, and that it runs against a server and leaves nothing there.

import assert from "node:assert/strict";
import test from "node:test";

import { judge, manyUsers } from "../scripts/lib/fanout.mjs";
import { capture, inRoot, nodeScript, toolEnv } from "../scripts/lib/project.mjs";
import { startServer } from "./support/server.ts";

const none = 30;
const call = 60;
const times = (calls: number) => ({ none, one: none + call, many: none + calls * call });

test("what to set, by how many calls fit into the time of many", () => {
  assert.match(judge(times(manyUsers / 6)).advice, /set FANOUT_CONCURRENCY to 6$/);
  assert.match(judge(times(6)).advice, /set FANOUT_CONCURRENCY to 6$/);
  assert.match(judge(times(1)).advice, /leave FANOUT_CONCURRENCY at 50$/);
  assert.match(judge(times(2)).advice, /leave FANOUT_CONCURRENCY at 50$/);
  assert.match(judge(times(4)).advice, /measure again$/);
  assert.match(judge({ none, one: none + 9, many: 400 }).advice, /^calls take less than 10 ms/);
});

test("it measures a server, and removes its users", async () => {
  const API_KEY = "an API key that is only good for tests";
  const server = await startServer({ secrets: { JWT_SECRET: "x".repeat(32), API_KEY } });
  try {
    const [command, args] = nodeScript(
      inRoot("scripts", "measure-fanout.mjs"),
      `--url=${server.url}`,
      "--rounds=2",
    );
    const { code, stdout, stderr } = await capture(command, args, {
      env: { ...toolEnv(), API_KEY },
    });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^a query of 48 users: [\d.]+ ms$/m);
    const { results } = await server.db.prepare("SELECT user_id FROM users").all();
    assert.deepEqual(results, []);

    const refused = await capture(command, args, { env: { ...toolEnv(), API_KEY: "wrong" } });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /^error: .* was answered with 401/m);
  } finally {
    await server.close();
  }
});
