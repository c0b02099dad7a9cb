// The conformance fixture (src/handler/conformance.rs) in workerd, and the wire it is spoken to on.

import type { DurableObjectNamespace } from "@cloudflare/workers-types";
import assert from "node:assert/strict";
import { createTestHarness } from "wrangler";

export type Fixture = Awaited<ReturnType<typeof startFixture>>;

/** What there is to connect to. */
type Host = Pick<Fixture, "url">;

/** The product's defaults: so slow that no test meets a ping or a missing CONNECT by the way. */
export const calm = {
  PING_INTERVAL_MS: "25000",
  PING_TIMEOUT_MS: "20000",
  CONNECT_TIMEOUT_MS: "45000",
};

/** Serves the fixture. `npm test` has built it into dist-conformance. */
export async function startFixture(vars: Record<string, string> = {}) {
  const server = createTestHarness({
    workers: [
      {
        configPath: "tests/conformance/wrangler.toml",
        prebuiltWorkerDir: "dist-conformance",
        vars,
      },
    ],
  });
  const { url } = await server.listen();
  const worker = server.getWorker<{ USER: DurableObjectNamespace }>();
  return {
    url: url.href.replace(/\/$/, ""),
    /** Takes a connection's object out of memory, as when it hibernates. */
    hibernate: (path: string, sid: string) =>
      worker.evictDurableObject("USER", { name: `${path}/${sid}`, webSockets: "hibernate" }),
    close: () => server.close(),
  };
}

export const polling = (server: Host, path: string, sid?: string) =>
  `${server.url}${path}/?EIO=4&transport=polling${sid ? `&sid=${sid}` : ""}`;

function websocket(server: Host, path: string, query: Record<string, string>) {
  const all = new URLSearchParams({ EIO: "4", transport: "websocket", ...query });
  return `${server.url.replace("http", "ws")}${path}/?${all}`;
}

/** Opens a polling session: its sid. */
export async function openSession(server: Host, path: string): Promise<string> {
  const response = await fetch(polling(server, path));
  assert.equal(response.status, 200);
  return JSON.parse((await response.text()).slice(1)).sid;
}

/** Status and body. */
type Answer = [status: number, body: string];

/** Polls: [status, body]. */
export async function poll(server: Host, path: string, sid: string): Promise<Answer> {
  const response = await fetch(polling(server, path, sid));
  return [response.status, await response.text()];
}

/** Posts: [status, body]. */
export async function post(
  server: Host,
  path: string,
  sid: string,
  body: BodyInit,
): Promise<Answer> {
  const response = await fetch(polling(server, path, sid), { method: "POST", body });
  return [response.status, await response.text()];
}

/** Text, or the bytes of a binary frame. */
export type Message = string | number[];

/** A raw WebSocket whose messages are kept until they are asked for. */
export class Wire {
  #queue: Message[] = [];
  #waiting: ((message: Message) => void)[] = [];
  readonly socket: WebSocket;
  readonly opened: Promise<Event>;
  readonly closed: Promise<CloseEvent>;

  /** With a sid it is to upgrade that session; the rest of the query is for the product. */
  constructor(server: Host, path: string, sid?: string, query: Record<string, string> = {}) {
    this.socket = new WebSocket(websocket(server, path, sid ? { sid, ...query } : query));
    this.socket.binaryType = "arraybuffer";
    this.opened = new Promise((resolve) => this.socket.addEventListener("open", resolve));
    this.closed = new Promise((resolve) => this.socket.addEventListener("close", resolve));
    this.socket.addEventListener("message", ({ data }) => this.#take(data));
  }

  #take(data: string | ArrayBuffer) {
    const message: Message = typeof data === "string" ? data : [...new Uint8Array(data)];
    const waiting = this.#waiting.shift();
    if (waiting) waiting(message);
    else this.#queue.push(message);
  }

  send(...frames: (string | Uint8Array<ArrayBuffer>)[]) {
    for (const frame of frames) this.socket.send(frame);
  }

  /** The next message: text, or the bytes of a binary frame. */
  next<T extends Message = string>(timeoutMs = 10_000): Promise<T> {
    const queued = this.#queue.shift();
    if (queued !== undefined) return Promise.resolve(queued as T);
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`no message within ${timeoutMs} ms`));
      const timer = setTimeout(late, timeoutMs);
      this.#waiting.push((message) => {
        clearTimeout(timer);
        resolve(message as T);
      });
    });
  }

  /** The next message that is not a ping, which is answered. */
  async nextEvent() {
    for (;;) {
      const message = await this.next();
      if (message !== "2") return message;
      this.send("3");
    }
  }

  close() {
    this.socket.close();
    return this.closed;
  }
}

/** A WebSocket that asks to take over a polling session, and has been answered. */
export async function probingWire(server: Host, path: string, sid: string) {
  const wire = new Wire(server, path, sid);
  await wire.opened;
  wire.send("2probe");
  assert.equal(await wire.next(), "3probe");
  return wire;
}

/** A WebSocket after its handshake. */
export async function openWire(server: Host, path: string) {
  const wire = new Wire(server, path);
  assert.match(await wire.next(), /^0\{/);
  return wire;
}

/** A WebSocket that has joined the main namespace. */
export async function joinedWire(server: Host) {
  const wire = await openWire(server, "/socket.io");
  wire.send("40");
  assert.match(await wire.nextEvent(), /^40\{"sid":"[^"]+"\}$/);
  assert.equal(await wire.nextEvent(), '42["auth",{}]');
  return wire;
}
