// An ack that the server awaits survives hibernation: the server recognizes it when it arrives, and times out
// on schedule when it does not.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { Wire, calm, startFixture } from "./support/fixture.ts";
import type { Fixture } from "./support/fixture.ts";

const PATH = "/socket.io";

let server: Fixture;
before(async () => {
  server = await startFixture(calm);
});
after(() => server.close());

/** Opens a wire, lets the server ask two questions, and then makes the object hibernate. */
async function asked() {
  const wire = new Wire(server, PATH);
  const { sid } = JSON.parse((await wire.next()).slice(1));
  wire.send("40", '42["ask","first"]', '42["ask","second"]');
  assert.match(await wire.next(), /^40\{/);
  assert.equal(await wire.next(), '42["auth",{}]');
  assert.equal(await wire.next(), '420["question","first"]');
  assert.equal(await wire.next(), '421["question","second"]');
  await server.hibernate(PATH, sid);
  return { wire, sid };
}

/** How long the fixture waits for an ack. */
const PATIENCE = 500;

/** Answers the second question after hibernation; retries if the machine was too slow to do so in time. */
async function answered() {
  for (;;) {
    const from = Date.now();
    const { wire } = await asked();
    wire.send('431["yes"]');
    const first = await wire.next();
    if (first !== '42["no-answer"]' || Date.now() - from < PATIENCE) return { wire, first };
    await wire.close();
  }
}

test("an ack that arrives after hibernation is matched to its question", async () => {
  const { wire, first } = await answered();
  assert.equal(first, '42["answer","yes"]');
  // The server still awaits the other ack, then times out.
  assert.equal(await wire.next(), '42["no-answer"]');
  wire.send('430["too late"]', '42["message"]');
  assert.equal(await wire.next(), '42["message-back"]');
  await wire.close();
});

test("acks that do not arrive time out after hibernation", async () => {
  const { wire } = await asked();
  assert.equal(await wire.next(), '42["no-answer"]');
  assert.equal(await wire.next(), '42["no-answer"]');
  await wire.close();
});

test("a question asked after hibernation gets a new id", async () => {
  const { wire, sid } = await asked();
  assert.equal(await wire.next(), '42["no-answer"]');
  assert.equal(await wire.next(), '42["no-answer"]');
  await server.hibernate(PATH, sid);
  wire.send('42["ask","third"]');
  assert.equal(await wire.next(), '422["question","third"]');
  await wire.close();
});
