// Runs the conformance fixture (src/handler/conformance.rs) in workerd; raw polling and WebSocket clients.

import assert from "node:assert/strict";
import { createTestHarness } from "wrangler";

import { assertNoCancelledAlarm } from "./alarms.ts";

export type Fixture = Awaited<ReturnType<typeof startFixture>>;

/** A server to connect to. */
type Host = Pick<Fixture, "url">;

/** The product's default intervals, which are so long that no ping or CONNECT timeout disturbs a test. */
export const calm = {
  PING_INTERVAL_MS: "25000",
  PING_TIMEOUT_MS: "20000",
  CONNECT_TIMEOUT_MS: "45000",
};

/** Serves the fixture, which `npm test` has built into dist-conformance. */
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
  return {
    url: url.href.replace(/\/$/, ""),
    async close() {
      const lines = server.getLogs().map(({ message }) => message);
      await server.close();
      assertNoCancelledAlarm(lines.join("\n"));
    },
  };
}

export const polling = (server: Host, path: string, sid?: string) =>
  `${server.url}${path}/?EIO=4&transport=polling${sid ? `&sid=${sid}` : ""}`;

function websocket(server: Host, path: string, query: Record<string, string>) {
  const all = new URLSearchParams({ EIO: "4", transport: "websocket", ...query });
  return `${server.url.replace("http", "ws")}${path}/?${all}`;
}

/** Opens a polling session. Returns its sid. */
export async function openSession(server: Host, path: string): Promise<string> {
  const response = await fetch(polling(server, path));
  assert.equal(response.status, 200);
  return JSON.parse((await response.text()).slice(1)).sid;
}

/** The status and body of a response. */
type Answer = [status: number, body: string];

/** Sends a polling GET. */
export async function poll(server: Host, path: string, sid: string): Promise<Answer> {
  const response = await fetch(polling(server, path, sid));
  return [response.status, await response.text()];
}

/** Sends a polling POST. */
export async function post(
  server: Host,
  path: string,
  sid: string,
  body: BodyInit,
): Promise<Answer> {
  const response = await fetch(polling(server, path, sid), { method: "POST", body });
  return [response.status, await response.text()];
}

/** The text of a text frame, or the bytes of a binary frame. */
export type Message = string | number[];

/** A raw WebSocket that queues received messages until they are read. */
export class Wire {
  #queue: Message[] = [];
  #waiting: ((message: Message) => void)[] = [];
  readonly socket: WebSocket;
  readonly opened: Promise<Event>;
  readonly closed: Promise<CloseEvent>;

  /** With a sid, it upgrades that session; `query` adds further parameters. */
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

  /** Returns the next message. */
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

  /** Returns the next message that is not a ping. Answers pings. */
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

/** Opens a WebSocket for a polling session and completes its probe. */
export async function probingWire(server: Host, path: string, sid: string) {
  const wire = new Wire(server, path, sid);
  await wire.opened;
  wire.send("2probe");
  assert.equal(await wire.next(), "3probe");
  return wire;
}

/** Opens a WebSocket and reads its handshake. */
export async function openWire(server: Host, path: string) {
  const wire = new Wire(server, path);
  assert.match(await wire.next(), /^0\{/);
  return wire;
}

/** Opens a WebSocket that has joined the main namespace. */
export async function joinedWire(server: Host) {
  const wire = await openWire(server, "/socket.io");
  wire.send("40");
  assert.match(await wire.nextEvent(), /^40\{"sid":"[^"]+"\}$/);
  assert.equal(await wire.nextEvent(), '42["auth",{}]');
  return wire;
}
