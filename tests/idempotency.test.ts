// Sends that are repeated with the same idempotency key.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import {
  closeAll,
  connect,
  contractor,
  refusal,
  sendText,
  textTo,
  until,
} from "./support/clients.ts";
import { Wire } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const API_KEY = "a key for the backend, of 40 characters..";

let server: Server;
before(async () => {
  server = await startServer({ vars: { API_KEY } });
  await server.addUser("a");
  await server.addUser("b");
});
afterEach(closeAll);
after(() => server.close());

const stored = () => server.count("messages");

test("a repeat gets the first result, and stores and delivers nothing", async () => {
  const sender = await contractor(server);
  const receiver = await connect(server, "a");
  const { texts } = receiver;
  const key = { idempotencyKey: "one" };
  const first = await sendText(sender, ["a", "nobody"], "hello", key);
  const before = await stored();
  assert.deepEqual(await sendText(sender, ["a", "nobody"], "hello", key), first);
  // As if the first reply had been lost with its connection.
  sender.close();
  const again = await contractor(server);
  assert.deepEqual(await sendText(again, ["a", "nobody"], "hello", key), first);
  assert.equal(await stored(), before);
  await sendText(again, ["a"], "last");
  await until(() => texts.includes("last"), "the last message");
  assert.deepEqual(texts, ["hello", "last"]);
});

test("concurrent repeats from two devices", async () => {
  const devices = await Promise.all([contractor(server), contractor(server)]);
  const receiver = await connect(server, "b");
  const { texts } = receiver;
  const key = { idempotencyKey: "two" };
  const before = await stored();
  const results = await Promise.all(
    [...devices, ...devices].map((device) => sendText(device, ["b"], "at once", key)),
  );
  for (const result of results) assert.deepEqual(result, results[0]);
  assert.equal(await stored(), before + 1);
  await sendText(devices[0], ["b"], "last");
  await until(() => texts.includes("last"), "the last message");
  assert.deepEqual(texts, ["at once", "last"]);
});

test("reusing a key for another message is a conflict", async () => {
  const sender = await contractor(server);
  const key = { idempotencyKey: "three" };
  await sendText(sender, ["a"], "this", key);
  const before = await stored();
  assert.deepEqual(await refusal(sender, "send_bulk_message", textTo(["a"], "that", key)), {
    code: "idempotency_conflict",
    message: "idempotencyKey was used before, for another message",
  });
  assert.equal(await stored(), before);
});

test("keys are per sender", async () => {
  const sender = await contractor(server);
  const other = await contractor(server, "contractor2");
  const key = { idempotencyKey: "four" };
  const first = await sendText(sender, ["a"], "mine", key);
  const second = await sendText(other, ["a"], "mine", key);
  assert.notEqual(second.results[0].messageId, first.results[0].messageId);
});

/** Spellings of the same content. JSON.stringify would write neither a lone surrogate nor 1e400. */
const spellings = [
  String.raw`{"text":"and/or","n":1,"more":{"x":[1e400,null],"y":"\ud800"}}`,
  String.raw`{"more":{"y":"\ud800","x":[1e400,null]},"n":1,"text":"and/or"}`,
  String.raw`{ "text" : "\u0061nd\/or",  "n":1.0, "more":{"x":[ 10E399 , null],"y":"\uD800"} }`,
];
const another = spellings[0].replace("1e400", "1e401");

interface Payload {
  to: string;
  content: string;
  key: string;
}

/** Sends the JSON verbatim and returns the ack's payload. */
async function sendRaw(event: string, { to, content, key }: Payload): Promise<any> {
  const token = server.token("contractor1", { role: "contractor" });
  const wire = new Wire(server, "/socket.io", undefined, { token });
  await wire.next();
  wire.send("40");
  await wire.next();
  wire.send(
    `427["${event}",{${to},"messageType":"text","idempotencyKey":"${key}","content":${content}}]`,
  );
  for (;;) {
    const message = await wire.next();
    if (!message.startsWith("437")) continue;
    await wire.close();
    return JSON.parse(message.slice(3))[0];
  }
}

/** Does the same through the HTTP API. */
async function postRaw(path: string, { to, content, key }: Payload): Promise<any> {
  const response = await fetch(`${server.url}/v1/${path}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${API_KEY}`, "Idempotency-Key": key },
    body: `{${to},"senderId":"contractor1","messageType":"text","content":${content}}`,
  });
  return response.json();
}

const kinds = {
  send_message: { path: "messages", receivers: ['"receiverId":"a"', '"receiverId":"\\u0061"'] },
  send_bulk_message: {
    path: "messages/bulk",
    receivers: [
      '"receiverIds":["a","b"]',
      '"receiverIds": ["b","a"]',
      '"receiverIds":["b","a","b"]',
    ],
  },
};

for (const [event, { path, receivers }] of Object.entries(kinds)) {
  test(`a repeat may be spelled differently: ${event}`, async () => {
    await contractor(server);
    const key = `spelt-${event}`;
    const before = await stored();
    const first = await sendRaw(event, { to: receivers[0], content: spellings[0], key });
    assert.equal(first.error, undefined);
    assert.equal(await stored(), before + (event === "send_message" ? 1 : 2));
    const after = await stored();
    for (const to of receivers) {
      for (const content of spellings) {
        assert.deepEqual(await sendRaw(event, { to, content, key }), first);
        assert.deepEqual(await postRaw(path, { to, content, key }), first);
      }
    }
    const refused = await sendRaw(event, { to: receivers[0], content: another, key });
    assert.equal(refused.error.code, "idempotency_conflict");
    const problem = await postRaw(path, { to: receivers[0], content: another, key });
    assert.equal(problem.code, "idempotency_conflict");
    assert.equal(await stored(), after);
  });
}

test("a send that failed is repeated with its receivers in another order", async () => {
  const sender = await contractor(server);
  const receivers = await Promise.all([connect(server, "c"), connect(server, "d")]);
  const key = { idempotencyKey: "interrupted" };
  const rename = (from: string, to: string) =>
    server.everywhere(`ALTER TABLE ${from} RENAME TO ${to}`);
  await rename("messages", "hidden");
  const order = ["d", "c"];
  const { code } = await refusal(sender, "send_bulk_message", textTo(order, "again", key));
  assert.equal(code, "unavailable");
  await rename("hidden", "messages");

  const { results } = await sendText(sender, ["c", "d"], "again", key);
  assert.deepEqual(
    results.map(({ receiverId }) => receiverId),
    order,
  );
  // The message ids are in the order of the first request's receivers.
  const ids = results.map(({ messageId }) => messageId);
  assert.deepEqual(ids, [...ids].sort());
  for (const receiver of receivers) {
    await until(() => receiver.texts.includes("again"), "the message");
    assert.deepEqual(receiver.texts, ["again"]);
  }
});
