// A Socket.IO client over a raw WebSocket: no library between the benchmark and the wire.

import { once } from "node:events";
import { WebSocket } from "ws";

import type { Message, Received } from "./ledger.ts";
import { PollingSession } from "./polling.ts";

/** A server to connect to. */
export interface Host {
  url: string;
  token(userId: string, role?: string): string;
}

/**
 * How a client connects: with its token in the URL, with its token in the CONNECT, or by polling with an
 * upgrade to WebSocket.
 */
export type Way = "direct" | "relay" | "polling";

export interface ClientOptions {
  way?: Way;
  role?: string;
  received?: Received;
}

const CONNECT_TIMEOUT_MS = 30_000;
const REPLY_TIMEOUT_MS = 120_000;

interface Waiting {
  resolve(reply: any): void;
  reject(error: Error): void;
}

export class Client {
  readonly userId: string;
  /** How many heartbeats the server has sent. */
  pings = 0;
  /** The bytes of the `new_message` frames. */
  messageBytes = 0;
  readonly #received: Received | undefined;
  readonly #acks = new Map<number, Waiting>();
  #awaiting: (() => void)[] = [];
  /** What waits for an event that is no message, by its name. */
  readonly #expected = new Map<string, (payload: any) => void>();
  #socket: WebSocket;
  #joined: Waiting | null = null;
  #nextAck = 0;
  #closing = false;

  private constructor(userId: string, socket: WebSocket, received: Received | undefined) {
    this.userId = userId;
    this.#socket = socket;
    this.#received = received;
  }

  /** Connects, and resolves when the server has accepted the CONNECT (and upgraded the connection). */
  static connect(host: Host, userId: string, options: ClientOptions = {}) {
    const connected = Client.#connect(host, userId, options);
    return inTime(connected, CONNECT_TIMEOUT_MS, `${userId} did not connect`);
  }

  static async #connect(
    host: Host,
    userId: string,
    { way = "direct", role = "customer", received }: ClientOptions,
  ) {
    const token = host.token(userId, role);
    if (way === "polling") return Client.#connectByPolling(host, userId, token, received);
    const query = way === "direct" ? `&token=${token}` : "";
    const client = new Client(userId, open(host, query), received);
    const joined = new Promise<void>((resolve, reject) => (client.#joined = { resolve, reject }));
    client.#listen(() => client.#send(way === "direct" ? "40" : `40${JSON.stringify({ token })}`));
    await joined;
    return client;
  }

  static async #connectByPolling(
    host: Host,
    userId: string,
    token: string,
    received: Received | undefined,
  ) {
    const session = await PollingSession.open(host.url);
    const early = await session.connect(token);
    // The library always has a GET waiting, until its probe is answered; the server then ends the GET.
    const poll = session.poll();
    const socket = open(host, `&sid=${session.sid}`);
    const client = new Client(userId, socket, received);
    for (const packet of early) client.#receive(packet);
    await once(socket, "open");
    const probed = once(socket, "message");
    socket.send("2probe");
    const [answer] = await probed;
    if (String(answer) !== "3probe") throw new Error(`the probe was answered by ${answer}`);
    for (const packet of await poll) client.#receive(packet);
    client.#listen(() => {});
    socket.send("5");
    return client;
  }

  #listen(opened: () => void) {
    this.#socket.on("message", (data) => {
      const packet = String(data);
      if (packet.startsWith("0")) opened();
      else this.#receive(packet);
    });
    this.#socket.on("close", (code) => this.#fail(`the connection closed with code ${code}`));
    this.#socket.on("error", (error) => this.#fail(error.message));
  }

  #send(packet: string) {
    this.#socket.send(packet);
  }

  #receive(packet: string) {
    if (packet.startsWith("42")) return this.#event(packet);
    if (packet.startsWith("43")) return this.#ack(packet);
    if (packet === "2") {
      this.pings += 1;
      return this.#send("3");
    }
    if (packet.startsWith("40")) return this.#joined?.resolve(undefined);
    if (packet.startsWith("44")) this.#fail(`the CONNECT was refused: ${packet}`);
  }

  #event(packet: string) {
    const [event, payload, offset] = JSON.parse(packet.slice(2));
    if (event !== "new_message") {
      this.#expected.get(event)?.(payload);
      return;
    }
    this.messageBytes += Buffer.byteLength(packet);
    for (const resolve of this.#awaiting.splice(0)) resolve();
    this.#received?.received(this, payload as Message, offset);
  }

  #ack(packet: string) {
    const begin = packet.indexOf("[");
    const id = Number(packet.slice(2, begin));
    const waiting = this.#acks.get(id);
    this.#acks.delete(id);
    const [reply] = JSON.parse(packet.slice(begin));
    if (!reply.error?.code) waiting?.resolve(reply);
    else waiting?.reject(new Error(`${this.userId} got ${JSON.stringify(reply.error)}`));
  }

  #fail(reason: string) {
    if (this.#closing) return;
    const error = new Error(`${this.userId}: ${reason}`);
    this.#joined?.reject(error);
    for (const { reject } of this.#acks.values()) reject(error);
    this.#acks.clear();
  }

  /** Resolves when the next message arrives. */
  next() {
    return new Promise<void>((resolve) => this.#awaiting.push(resolve));
  }

  /** Resolves to the payload of the next event of this name that is no message. */
  nextEvent(name: string): Promise<any> {
    const arrived = new Promise((resolve) => this.#expected.set(name, resolve));
    return inTime(arrived, REPLY_TIMEOUT_MS, `${this.userId}: ${name} did not arrive`);
  }

  /** Emits a request. Resolves to its reply; fails if the server refuses it. */
  async request(event: string, payload: unknown): Promise<any> {
    const id = this.#nextAck++;
    const replied = new Promise((resolve, reject) => this.#acks.set(id, { resolve, reject }));
    this.#send(`42${id}${JSON.stringify([event, payload])}`);
    return inTime(replied, REPLY_TIMEOUT_MS, `${this.userId}: ${event} was not answered`);
  }

  /** Closes the connection, and resolves when the server has closed it, too. */
  async close() {
    this.#closing = true;
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    const closed = once(this.#socket, "close");
    this.#socket.close();
    await closed;
  }
}

function open({ url }: Host, query: string) {
  const address = `${url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket${query}`;
  return new WebSocket(address, { perMessageDeflate: false });
}

async function inTime<T>(promise: Promise<T>, timeoutMs: number, complaint: string) {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(complaint)), timeoutMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
