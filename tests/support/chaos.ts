// For tests that end connections at random: receivers' devices, senders, a ledger of all messages and their
// receipts, and a pace that the server can sustain.

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

/** Records accepted messages, their deliveries and receipts, by message id. */
export class Ledger {
  readonly accepted = new Map<string, Accepted>();
  /** How many copies the devices have received. */
  readonly copies = new Map<string, number>();
  /** How often the sender was told that the message was delivered. */
  readonly receipts = new Map<string, number>();
  /** Violations of the guarantees. */
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

  /** Returns the ids of direct messages whose senders have no receipt. */
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

/** A client. Each sender's messages must reach it in order and once, however often it reconnects. */
export class Device {
  readonly network: Network | null;
  readonly socket: Client;
  /** The page is closed: no one sees messages that still arrive. */
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
    // The library buffers an event that arrives at the moment of a disconnect, without its offset, and emits
    // it later. The server cannot know that and sends it again.
    this.socket.receiveBuffer = [];
    this.socket.connect();
  }

  /** Resolves when the device has connected or failed to. */
  async connected() {
    if (this.socket.connected) return;
    const { socket } = this;
    await Promise.race([client.next(socket, "connect"), client.next(socket, "connect_error")]);
  }

  /** Ends the transport without leaving the namespace. */
  close() {
    const { engine } = this.socket.io;
    if (engine.readyState === "open") engine.close();
    // The library does not notice when an engine is closed before it has opened.
    else if (engine.readyState === "opening") this.socket.disconnect();
    return this.closed();
  }

  /** Resolves when the connection is completely closed on the client's side. */
  closed() {
    const manager = this.socket.io as unknown as { _readyState: string };
    return client.until(() => manager._readyState === "closed", `the end of ${this.#name}`);
  }
}

/** A sender that numbers its messages to all receivers in one sequence. */
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

  /** Sends a direct message to one receiver, or a bulk message to several. No ping follows a bulk message. */
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

/** A response time, in milliseconds, at which the server is not overloaded. */
const SWIFTLY = 150;

/** Limits how many rounds run concurrently, so that the server stays responsive. */
export class Pace {
  #running = 0;
  #limit = 5;
  #isOver = false;

  /** Runs the round once the limit allows it, unless `endsAt` has passed. Returns whether it ran. */
  async run(round: () => Promise<void>, endsAt: number) {
    while (this.#running >= this.#limit && Date.now() < endsAt) await pause(20);
    if (Date.now() >= endsAt) return false;
    this.#running += 1;
    await round();
    this.#running -= 1;
    return true;
  }

  /** Adjusts the limit to the server's response time, until `end` is called. */
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
