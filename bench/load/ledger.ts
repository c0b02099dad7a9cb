// Exactly once: what was sent, what arrived, and how the two differ.

import { setTimeout as pause } from "node:timers/promises";

/** The payload of `new_message`. */
export interface Message {
  messageId: string;
  conversationId: string;
  senderId: string;
  receiverId: string;
  content: { text: string };
}

/** A client's device, of which a user may have several. */
export interface Device {
  userId: string;
}

export interface Received {
  received(device: Device, message: Message, offset: unknown): void;
}

/** What a sender's reply says about one receiver's copy. */
export interface Copy {
  messageId: string;
  conversationId: string;
  receiverId: string;
}

export type FaultKind = "lost" | "duplicate" | "wrong receiver" | "wrong ids";

export interface Fault {
  kind: FaultKind;
  what: string;
}

interface Arrival {
  device: Device;
  message: Message;
  offset: unknown;
}

const DEADLINE_MS = 30_000;
/** How long a repeat may take to arrive after everything has. */
const REPEAT_MS = 150;

/** A copy and the device that must get it. */
const key = (userId: string, text: string) => JSON.stringify([userId, text]);

/**
 * The texts of a run are unique. A copy belongs to its receiver and its text, so copies may arrive before
 * the reply that names their ids.
 */
export class Ledger implements Received {
  /** Who must get which text, by {@link key}; null until the sender's reply has named the ids. */
  readonly #expected = new Map<string, { senderId: string; copy: Copy | null }>();
  readonly #arrivals = new Map<string, Arrival[]>();
  /** What users have missed who were offline. */
  readonly #missed = new Map<string, { senderId: string; text: string; copy: Copy }[]>();
  #awaited = 0;
  #deliveries = 0;
  #waiting: (() => void)[] = [];
  readonly #faults: Fault[] = [];
  #texts = 0;

  /** Returns a text that no other message of this run has. */
  newText() {
    return `message ${this.#texts++}`;
  }

  /** Records that these receivers must get the text, each on one device. */
  expect(senderId: string, receiverIds: string[], text: string) {
    for (const id of receiverIds) this.#expected.set(key(id, text), { senderId, copy: null });
    this.#awaited += receiverIds.length;
  }

  /**
   * Records a message to users who are offline, with the ids in the sender's reply. They must get it when
   * they connect: {@link awaitMissed} says when that is.
   */
  expectLater(senderId: string, receiverIds: string[], text: string, copies: Copy[]) {
    this.#check(text, receiverIds, copies);
    for (const copy of copies) {
      const missed = this.#missed.get(copy.receiverId) ?? [];
      this.#missed.set(copy.receiverId, [...missed, { senderId, text, copy }]);
    }
  }

  /** A user is about to connect, and must get everything that they have missed. */
  awaitMissed(userId: string) {
    for (const { senderId, text, copy } of this.#missed.get(userId) ?? []) {
      this.expect(senderId, [userId], text);
      this.replied(text, [userId], [copy]);
    }
    this.#missed.delete(userId);
  }

  /** Records the ids in the sender's reply. */
  replied(text: string, receiverIds: string[], copies: Copy[]) {
    this.#check(text, receiverIds, copies);
    for (const copy of copies) {
      const expected = this.#expected.get(key(copy.receiverId, text));
      if (expected) expected.copy = copy;
    }
  }

  /** A reply names each receiver once, each with an id of its own. */
  #check(text: string, receiverIds: string[], copies: Copy[]) {
    const named = new Set(copies.map(({ receiverId }) => receiverId));
    const ids = new Set(copies.map(({ messageId }) => messageId));
    if (named.size !== copies.length || ids.size !== copies.length) {
      this.#fault("wrong ids", `the reply to "${text}" names a receiver or an id twice`);
    }
    for (const id of receiverIds) {
      if (!named.has(id)) this.#fault("lost", `the reply to "${text}" does not name ${id}`);
    }
    const receivers = new Set(receiverIds);
    for (const { receiverId } of copies) {
      if (receivers.has(receiverId)) continue;
      this.#fault("wrong receiver", `the reply to "${text}" names ${receiverId}`);
    }
  }

  received(device: Device, message: Message, offset: unknown) {
    const at = key(device.userId, message.content.text);
    const earlier = this.#arrivals.get(at);
    const arrival = { device, message, offset };
    if (earlier) {
      earlier.push(arrival);
      return;
    }
    this.#arrivals.set(at, [arrival]);
    if (!this.#expected.has(at)) return;
    this.#deliveries += 1;
    this.#awaited -= 1;
    if (this.#awaited > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** How many copies have arrived where they must. */
  get deliveries() {
    return this.#deliveries;
  }

  /** Resolves when every expected copy has arrived, or at the deadline. */
  async arrived(deadlineMs = DEADLINE_MS) {
    if (this.#awaited <= 0) return;
    const timeout = new AbortController();
    const all = new Promise<void>((resolve) => this.#waiting.push(resolve));
    const late = pause(deadlineMs, undefined, { signal: timeout.signal }).catch(() => {});
    await Promise.race([all, late]);
    timeout.abort();
  }

  /** Waits for what is still missing and for repeats. Returns everything that is wrong. */
  async settle(deadlineMs = DEADLINE_MS): Promise<Fault[]> {
    await this.arrived(deadlineMs);
    await pause(REPEAT_MS);
    return [...this.#faults, ...this.#missing(), ...this.#wrong()];
  }

  #missing(): Fault[] {
    const missing = [...this.#expected.keys()].filter((at) => !this.#arrivals.has(at));
    return missing.map((at) => ({ kind: "lost", what: `${at} did not arrive` }));
  }

  #wrong(): Fault[] {
    return [...this.#arrivals].flatMap(([at, arrivals]) => {
      const expected = this.#expected.get(at);
      if (!expected) return [{ kind: "wrong receiver" as const, what: `${at} arrived` }];
      const faults = arrivals.flatMap((arrival) => wrongIds(at, expected, arrival));
      if (arrivals.length > 1) {
        faults.push({ kind: "duplicate", what: `${at} arrived ${arrivals.length} times` });
      }
      return faults;
    });
  }

  #fault(kind: FaultKind, what: string) {
    this.#faults.push({ kind, what });
  }
}

function wrongIds(
  at: string,
  { senderId, copy }: { senderId: string; copy: Copy | null },
  { device, message, offset }: Arrival,
): Fault[] {
  const isRight =
    message.messageId === copy?.messageId &&
    message.conversationId === copy.conversationId &&
    message.senderId === senderId &&
    message.receiverId === device.userId &&
    typeof offset === "string";
  if (isRight) return [];
  const got = JSON.stringify({ ...message, offset });
  return [{ kind: "wrong ids", what: `${at}: the reply says ${JSON.stringify(copy)}, got ${got}` }];
}
