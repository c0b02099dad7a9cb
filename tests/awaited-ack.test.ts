// An ack that the server waits for is waited for through hibernation: it is known when it comes, and
// it is given up on time when it does not.

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

/** A wire that has been asked two questions, and whose object has lost its memory since. */
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

/** Answers the second question after hibernation; tries again if the machine was too slow for it. */
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

test("an ack that comes after hibernation belongs to its question", async () => {
  const { wire, first } = await answered();
  assert.equal(first, '42["answer","yes"]');
  // The other one is still waited for, and then no more.
  assert.equal(await wire.next(), '42["no-answer"]');
  wire.send('430["too late"]', '42["message"]');
  assert.equal(await wire.next(), '42["message-back"]');
  await wire.close();
});

test("acks that do not come are given up after hibernation", async () => {
  const { wire } = await asked();
  assert.equal(await wire.next(), '42["no-answer"]');
  assert.equal(await wire.next(), '42["no-answer"]');
  await wire.close();
});

test("a question after hibernation has an id of its own", async () => {
  const { wire, sid } = await asked();
  assert.equal(await wire.next(), '42["no-answer"]');
  assert.equal(await wire.next(), '42["no-answer"]');
  await server.hibernate(PATH, sid);
  wire.send('42["ask","third"]');
  assert.equal(await wire.next(), '422["question","third"]');
  await wire.close();
});
