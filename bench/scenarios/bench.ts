// What scenarios have in common: clients, exactness and samples.

import { Client } from "../load/client.ts";
import type { ClientOptions } from "../load/client.ts";
import { Ledger } from "../load/ledger.ts";
import { cpuMs } from "../report/process.ts";
import type { Target, Vars } from "../targets/target.ts";

export interface Row {
  name: string;
  unit: string;
  /** What the row means, for docs/performance.md. */
  meaning: string;
}

export interface Scenario {
  name: string;
  rows: Record<string, Row>;
  /** It differs from another scenario only in size, which a smoke run does not have. */
  isRepetition?: boolean;
  /** It takes so long that a third of the pairs must be enough. */
  isSlow?: boolean;
  /** How many files the server has open at most, if these are many. */
  openFiles?: number;
  vars?(isSmoke: boolean): Vars;
  run(bench: Bench): Promise<void>;
}

/** How many clients connect at a time. */
const CONNECTING = 16;

/** What a user costs the server in open files: an object that is awake has three, a connection two. */
export const FILES_PER_OBJECT = 3;
export const FILES_PER_CONNECTION = 2;
/** What it has open apart from that. */
export const OTHER_FILES = 500;

/** The product's limit; in a smoke run so few that a send is split, too. */
const MAX_RECEIVERS_PER_SEND = { full: 4096, smoke: 8 };

/** One run of a scenario against one server. */
export class Bench {
  readonly target: Target;
  readonly isSmoke: boolean;
  readonly ledger = new Ledger();
  readonly samples: Record<string, number[]> = {};
  readonly #scenario: string;
  #clients: Client[] = [];

  constructor(target: Target, scenario: string, isSmoke: boolean) {
    this.target = target;
    this.#scenario = scenario;
    this.isSmoke = isSmoke;
  }

  /** The number to use in a full run, or the one in a smoke run. */
  size(full: number, smoke: number) {
    return this.isSmoke ? smoke : full;
  }

  /** Returns user ids that no other scenario uses. */
  ids(kind: string, count: number) {
    return Array.from({ length: count }, (_, index) => `${this.#scenario} ${kind} ${index}`);
  }

  async connect(userId: string, options: ClientOptions = {}) {
    const client = await Client.connect(this.target, userId, { received: this.ledger, ...options });
    this.#clients.push(client);
    return client;
  }

  /** Connects one client per user. */
  async connectAll(userIds: string[], options: ClientOptions = {}) {
    return inParallel(CONNECTING, userIds, (id) => this.connect(id, options));
  }

  async contractor() {
    const [id] = this.ids("contractor", 1);
    return this.connect(id, { role: "contractor" });
  }

  async closeAll() {
    await Promise.all(this.#clients.splice(0).map((client) => client.close()));
  }

  record(row: string, value: number) {
    (this.samples[row] ??= []).push(value);
  }

  /** Records the CPU time that the server uses per operation, in milliseconds, while `act` runs. */
  async cpu<T>(row: string, operations: number, act: () => Promise<T>) {
    const begun = cpuMs(this.target.pid);
    const result = await act();
    this.record(row, (cpuMs(this.target.pid) - begun) / operations);
    return result;
  }

  /** Records how long `act` takes, in milliseconds. */
  async time<T>(row: string, act: () => Promise<T>) {
    const begun = performance.now();
    const result = await act();
    this.record(row, performance.now() - begun);
    return result;
  }

  /** Sends to many, in as few sends as the server allows. Resolves when all have been answered. */
  async sendBulk(sender: Client, receiverIds: string[], { areOnline = true } = {}) {
    const most = this.size(MAX_RECEIVERS_PER_SEND.full, MAX_RECEIVERS_PER_SEND.smoke);
    const sends = Math.ceil(receiverIds.length / most);
    const size = Math.ceil(receiverIds.length / sends);
    const parts = Array.from({ length: sends }, (_, index) =>
      receiverIds.slice(index * size, (index + 1) * size),
    );
    await Promise.all(parts.map((part) => this.#sendBulk(sender, part, areOnline)));
  }

  async #sendBulk(sender: Client, receiverIds: string[], areOnline: boolean) {
    const text = this.ledger.newText();
    if (areOnline) this.ledger.expect(sender.userId, receiverIds, text);
    const reply = await sender.request("send_bulk_message", {
      receiverIds,
      messageType: "text",
      content: { text },
    });
    const { totalSent, totalFailed, results } = reply;
    const delivered = results.filter((result: any) => result.delivered === areOnline).length;
    const { length } = receiverIds;
    if (totalSent !== length || totalFailed !== 0 || delivered !== length) {
      throw new Error(`a bulk to ${length}: ${JSON.stringify(reply).slice(0, 500)}`);
    }
    // Who is offline gets it later; until then nobody does.
    if (!areOnline) this.ledger.expectLater(sender.userId, receiverIds, text, results);
    else this.ledger.replied(text, receiverIds, results);
  }

  /** Sends to one user who is online. Resolves when the send has been answered. */
  async sendDirect(sender: Client, receiverId: string) {
    const text = this.ledger.newText();
    this.ledger.expect(sender.userId, [receiverId], text);
    const { messageId, conversationId } = await sender.request("send_message", {
      receiverId,
      messageType: "text",
      content: { text },
    });
    this.ledger.replied(text, [receiverId], [{ receiverId, messageId, conversationId }]);
  }
}

/** Calls `act` for each item, so many at a time. Returns the results in the order of the items. */
export async function inParallel<T, R>(limit: number, items: T[], act: (item: T) => Promise<R>) {
  const results = new Array<R>(items.length);
  let next = 0;
  const work = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await act(items[index]);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work));
  return results;
}
