// What a test needs that ends connections at random: receivers' devices, senders, a ledger of what became
// of every message, and a pace that the server can keep.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import type { Message } from "switchboard-events";

import * as client from "./clients.ts";
import type { Client, Host } from "./clients.ts";
import type { Network } from "./proxy.ts";

interface Accepted {
  to: string;
  what: string;
  isDirect: boolean;
}

/** What was accepted, and what became of it, by message id. */
export class Ledger {
  readonly accepted = new Map<string, Accepted>();
  /** How many copies devices got. */
  readonly copies = new Map<string, number>();
  /** How often the sender was told of the delivery. */
  readonly receipts = new Map<string, number>();
  /** What must not happen, and did. */
  readonly faults: string[] = [];

  accept(messageId: string, accepted: Accepted) {
    this.accepted.set(messageId, accepted);
  }

  received(messageId: string) {
    increment(this.copies, messageId);
  }

  told(messageId: string, senderId: string) {
    increment(this.receipts, messageId);
    if (this.copies.has(messageId)) return;
    this.fault(`${senderId} was told of ${messageId}, which no device has`);
  }

  fault(what: string) {
    this.faults.push(`${what}, at ${Math.round(performance.now())} ms`);
  }

  missing(): string[] {
    const missing = [...this.accepted].filter(([id]) => !this.copies.has(id));
    return missing.map(([id, { to, what }]) => `${what} to ${to} (${id})`);
  }

  /** Direct messages whose senders have not heard of their delivery. */
  untold(): string[] {
    const direct = [...this.accepted].filter(([, { isDirect }]) => isDirect);
    return direct.map(([id]) => id).filter((id) => !this.receipts.has(id));
  }

  toldAgain(): string[] {
    return [...this.receipts].filter(([, times]) => times > 1).map(([id]) => id);
  }

  repeats() {
    return [...this.copies.values()].reduce((sum, copies) => sum + copies - 1, 0);
  }
}

function increment(counts: Map<string, number>, key: string) {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** A client object. Each sender's messages reach it in order and once, however often it comes back. */
export class Device {
  readonly network: Network | null;
  readonly socket: Client;
  /** The page is gone: nobody sees what may still come. */
  isGone = false;
  readonly #name: string;
  readonly #ledger: Ledger;
  readonly #last = new Map<string, number>();

  constructor(ledger: Ledger, host: Host, userId: string, way: string, network: Network | null) {
    this.#ledger = ledger;
    this.#name = `${userId}, ${way}`;
    this.network = network;
    this.socket = client.begin(host, userId, client.optionsOf(way, host, userId));
    this.socket.on("new_message", (message) => this.#take(message));
  }

  #take(message: Message) {
    if (this.isGone) return;
    const { messageId, senderId } = message;
    this.#ledger.received(messageId);
    const number = Number(client.textOf(message));
    const last = this.#last.get(senderId) ?? -1;
    if (number <= last) {
      this.#ledger.fault(`${this.#name}: ${senderId}'s ${number} after ${last}`);
    }
    this.#last.set(senderId, number);
  }

  comeBack() {
    // What comes in the very moment of an end the library keeps, without its offset, and shows it later. The
    // server cannot know that and sends it again.
    this.socket.receiveBuffer = [];
    this.socket.connect();
  }

  /** Moves on when it is connected, or has failed to. */
  async connected() {
    if (this.socket.connected) return;
    const { socket } = this;
    await Promise.race([client.next(socket, "connect"), client.next(socket, "connect_error")]);
  }

  /** Ends the transport without leaving the namespace. */
  close() {
    const { engine } = this.socket.io;
    if (engine.readyState === "open") engine.close();
    // The library does not notice when an engine is closed that has not been opened.
    else if (engine.readyState === "opening") this.socket.disconnect();
    return this.closed();
  }

  /** Moves on when nothing of its connection is left on this side. */
  closed() {
    const manager = this.socket.io as unknown as { _readyState: string };
    return client.until(() => manager._readyState === "closed", `the end of ${this.#name}`);
  }
}

/** A sender, whose messages to all receivers are numbered in one row. */
export class Sender {
  readonly socket: Client;
  readonly #userId: string;
  readonly #ledger: Ledger;
  #next = 0;

  constructor(ledger: Ledger, userId: string, socket: Client) {
    this.#ledger = ledger;
    this.#userId = userId;
    this.socket = socket;
    socket.on("message_delivered", ({ messageId }) => ledger.told(messageId, userId));
  }

  /** To one as a direct message, to more in bulk. No ping follows that. */
  async sendTo(receiverIds: string[]) {
    const number = this.#next++;
    if (receiverIds.length > 1) return this.#sendInBulk(number, receiverIds);
    const [receiverId] = receiverIds;
    const { messageId } = await client.sendTo(this.socket, { receiverId }, `${number}`);
    this.#accept(number, messageId, receiverId, true);
  }

  async #sendInBulk(number: number, receiverIds: string[]) {
    const { results } = await client.sendText(this.socket, receiverIds, `${number}`);
    assert.equal(results.length, receiverIds.length);
    for (const { messageId, receiverId } of results) {
      this.#accept(number, messageId, receiverId, false);
    }
  }

  #accept(number: number, messageId: string, to: string, isDirect: boolean) {
    this.#ledger.accept(messageId, { to, what: `${this.#userId}'s ${number}`, isDirect });
  }
}

/** How soon the server answers if it keeps pace. */
const SWIFTLY = 150;

/** How many rounds run at once: as many as leave the server swift. */
export class Pace {
  #running = 0;
  #limit = 5;
  #isOver = false;

  /** Runs the round when it is its turn, unless it is too late for it then: whether it has run. */
  async run(round: () => Promise<void>, endsAt: number) {
    while (this.#running >= this.#limit && Date.now() < endsAt) await pause(20);
    if (Date.now() >= endsAt) return false;
    this.#running += 1;
    await round();
    this.#running -= 1;
    return true;
  }

  /** Watches how soon the server answers, until the end. */
  async keep(socket: Client) {
    while (!this.#isOver) {
      const begun = performance.now();
      await client.statusOf(socket, "nobody");
      const isSwift = performance.now() - begun < SWIFTLY;
      this.#limit = isSwift ? this.#limit + 1 : Math.max(1, this.#limit / 2);
      await pause(100);
    }
  }

  end() {
    this.#isOver = true;
  }
}
