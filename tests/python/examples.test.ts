// Runs the Python examples of docs/clients.md unchanged.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test, { after, before } from "node:test";

import { inRoot } from "../../scripts/lib/project.mjs";
import * as client from "../support/clients.ts";
import { startServer } from "../support/server.ts";
import type { Server } from "../support/server.ts";
import { startPython } from "./support.ts";

/** How long after its expiry a token is still accepted: the leeway in src/core/token.rs. */
const LEEWAY_S = 30;

let server: Server;
before(async () => {
  // The tests query presence repeatedly.
  server = await startServer({ vars: { MAX_EVENTS_PER_SECOND: "0" } });
});
after(async () => {
  client.closeAll();
  await server.close();
});

const guide = readFileSync(inRoot("docs", "clients.md"), "utf8");
const [sync, asyncio, ...others] = [...guide.matchAll(/^```python\n(.*?)^```$/gms)].map(
  ([, code]) => code,
);
assert.deepEqual(others, [], "an example that is not run");

const nowInSeconds = () => Math.floor(Date.now() / 1000);

/** Runs an example and waits for the last line that it prints after connecting. */
async function run(example: string | undefined, ...tokens: string[]) {
  assert.ok(example);
  const python = startPython("5.18", "example.py", example, server.url, JSON.stringify(tokens));
  await python.prints(/^online True$/);
  return python;
}

for (const [kind, example] of Object.entries({ sync, asyncio })) {
  const userId = `reader ${kind}`;

  test(`the ${kind} client gets all events that carry an offset`, async () => {
    const contractor = await client.contractor(server);
    const python = await run(example, server.token(userId));
    const sent = client.next(contractor, "message_delivered");
    const { conversationId } = await client.sendTo(contractor, { receiverId: userId }, "Hello!");
    await python.prints(/^Contractor One \{.*'Hello!'/);
    await sent;

    // Another device of the same user answers: this one gets the resulting events.
    const phone = await client.connect(server, userId);
    const { messageId } = await client.sendTo(phone, { conversationId }, "Hi!");
    await python.prints(new RegExp(`^delivered ${messageId}$`));
    await client.request(contractor, "mark_as_read", { conversationId, upTo: messageId });
    await python.prints(/^read by contractor1$/);

    assert.equal(python.errors(), "");
    assert.equal(await python.stop(), 0);
  });

  test(`the ${kind} client reconnects with a fresh token when its own has expired`, async () => {
    const contractor = await client.contractor(server);
    const user = `renewer ${kind}`;
    const soon = server.token(user, { exp: nowInSeconds() - LEEWAY_S + 8 });
    // The example requests a token for the header, then one for `auth`: both are old, later ones are fresh.
    const python = await run(example, soon, soon, server.token(user));
    const isThere = async () => {
      const { isOnline } = await client.statusOf(contractor, user);
      return isOnline;
    };
    assert.ok(await isThere());
    await client.until(async () => !(await isThere()), "its token has expired");
    await client.until(isThere, "it is back");

    await client.sendTo(contractor, { receiverId: user }, "still there?");
    await python.prints(/^Contractor One \{.*'still there\?'/);
    assert.equal(await python.stop(), 0);
  });
}
