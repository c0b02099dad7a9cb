// The benchmark's check that every message arrives exactly once: it must be able to fail.

import assert from "node:assert/strict";
import test from "node:test";

import { Ledger } from "../bench/load/ledger.ts";
import type { Copy, FaultKind, Message } from "../bench/load/ledger.ts";
import { Results } from "../bench/report/results.ts";
import { table } from "../bench/report/table.ts";

const DEADLINE_MS = 50;

const copyTo = (receiverId: string): Copy => ({
  receiverId,
  messageId: `message to ${receiverId}`,
  conversationId: `conversation with ${receiverId}`,
});

const messageTo = (receiverId: string, text: string): Message => ({
  ...copyTo(receiverId),
  senderId: "sender",
  content: { text },
});

/** Sends one message to a and b. `deliver` says what arrives. Returns the kinds of the faults. */
async function faultsOf(
  deliver: (ledger: Ledger, text: string) => void,
  copies = [copyTo("a"), copyTo("b")],
): Promise<FaultKind[]> {
  const ledger = new Ledger();
  const text = ledger.newText();
  ledger.expect("sender", ["a", "b"], text);
  deliver(ledger, text);
  ledger.replied(text, ["a", "b"], copies);
  return (await ledger.settle(DEADLINE_MS)).map(({ kind }) => kind);
}

const arrive = (ledger: Ledger, userId: string, message: Message, offset: unknown = "1") =>
  ledger.received({ userId }, message, offset);

function arriveAtAll(ledger: Ledger, text: string) {
  for (const userId of ["a", "b"]) arrive(ledger, userId, messageTo(userId, text));
}

test("a message that arrives once at each receiver is right, even before the reply", async () => {
  assert.deepEqual(await faultsOf(arriveAtAll), []);
});

test("a lost message", async () => {
  const faults = await faultsOf((ledger, text) => arrive(ledger, "a", messageTo("a", text)));
  assert.deepEqual(faults, ["lost"]);
});

test("a duplicate", async () => {
  const faults = await faultsOf((ledger, text) => {
    arriveAtAll(ledger, text);
    arrive(ledger, "b", messageTo("b", text));
  });
  assert.deepEqual(faults, ["duplicate"]);
});

test("a duplicate that arrives after everything else", async () => {
  const faults = await faultsOf((ledger, text) => {
    arriveAtAll(ledger, text);
    setTimeout(() => arrive(ledger, "b", messageTo("b", text)), DEADLINE_MS);
  });
  assert.deepEqual(faults, ["duplicate"]);
});

test("a message to a user for whom it is not", async () => {
  const faults = await faultsOf((ledger, text) => {
    arriveAtAll(ledger, text);
    arrive(ledger, "c", messageTo("a", text));
  });
  assert.deepEqual(faults, ["wrong receiver"]);
});

test("a message that goes to another receiver instead", async () => {
  const faults = await faultsOf((ledger, text) => {
    arrive(ledger, "a", messageTo("a", text));
    arrive(ledger, "c", messageTo("b", text));
  });
  assert.deepEqual(faults, ["lost", "wrong receiver"]);
});

test("a receiver who gets the other receiver's copy", async () => {
  const faults = await faultsOf((ledger, text) => {
    arrive(ledger, "a", messageTo("a", text));
    arrive(ledger, "b", messageTo("a", text));
  });
  assert.deepEqual(faults, ["wrong ids"]);
});

for (const field of ["messageId", "conversationId", "senderId", "receiverId"] as const) {
  test(`a message with a wrong ${field}`, async () => {
    const faults = await faultsOf((ledger, text) => {
      arrive(ledger, "a", messageTo("a", text));
      arrive(ledger, "b", { ...messageTo("b", text), [field]: "wrong" });
    });
    assert.deepEqual(faults, ["wrong ids"]);
  });
}

test("a message without an offset", async () => {
  const faults = await faultsOf((ledger, text) => {
    arrive(ledger, "a", messageTo("a", text));
    arrive(ledger, "b", messageTo("b", text), null);
  });
  assert.deepEqual(faults, ["wrong ids"]);
});

test("a reply that leaves a receiver out, names one twice or names somebody else", async () => {
  const [a, b, c] = ["a", "b", "c"].map(copyTo);
  assert.deepEqual(await faultsOf(arriveAtAll, [a]), ["lost", "wrong ids"]);
  assert.deepEqual(await faultsOf(arriveAtAll, [a, b, b]), ["wrong ids"]);
  assert.deepEqual(await faultsOf(arriveAtAll, [a, b, c]), ["wrong receiver"]);
});

test("a message to a user who is offline arrives with their connect, and not before", async () => {
  const missed = async (deliver: (ledger: Ledger, text: string) => void, connects: boolean) => {
    const ledger = new Ledger();
    const text = ledger.newText();
    ledger.expectLater("sender", ["a"], text, [copyTo("a")]);
    if (connects) ledger.awaitMissed("a");
    deliver(ledger, text);
    return (await ledger.settle(DEADLINE_MS)).map(({ kind }) => kind);
  };
  const arriveAtA = (ledger: Ledger, text: string) => arrive(ledger, "a", messageTo("a", text));
  assert.deepEqual(await missed(arriveAtA, true), []);
  assert.deepEqual(await missed(() => {}, true), ["lost"]);
  assert.deepEqual(await missed(arriveAtA, false), ["wrong receiver"]);
});

test("the table has the ratio of the medians, and its spread over the pairs", () => {
  const results = new Results();
  const rows = { row: { name: "a row", unit: "ms", meaning: "" } };
  for (const [ours, theirs] of [
    [2, 1],
    [3, 2],
    [8, 2],
  ]) {
    results.add("product", rows, { row: [0, ours, 100] });
    results.add("floor", rows, { row: [theirs] });
  }
  assert.match(
    table(results, "product", ["floor", "peer"]),
    /\| a row +\| 3\.00 ms +\| 2\.00 ms +\| \*\*1\.50\*\* \(1\.50–4\.00\) +\| n\/a +\| n\/a +\|/,
  );
});
