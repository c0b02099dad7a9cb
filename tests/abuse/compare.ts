// `npm run test:abuse:frames`: the largest frames that the platform takes, many at once, on the product and on a plain
// JavaScript Worker (plain.js). The platform buffers each of them before any Worker sees it, so its memory and the
// waits of other clients are the platform's; the product must not add to them.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import WebSocket from "ws";

import { Failure, main } from "../../scripts/lib/project.mjs";
import { createDevServer } from "../support/dev.ts";
import type { DevServer } from "../support/dev.ts";
import { peak, resident, servePlain, wasmBytes, wasmProbe } from "./memory.ts";

const CONNECTIONS = 20;
const FRAMES = 10;
const FRAME_BYTES = 30 * 2 ** 20;

/** How long an attacker waits for a server that neither reads nor closes. */
const PATIENCE_MS = 60_000;

/** How long the healthy client waits between two requests. */
const EVERY_MS = 50;

/** Returns a masked text frame (RFC 6455, section 5.2). Its mask is zero, so that all connections share one buffer. */
function maskedFrame(bytes: number) {
  const header = Buffer.alloc(14);
  header.writeUInt8(0x81, 0);
  header.writeUInt8(0x80 | 127, 1);
  header.writeBigUInt64BE(BigInt(bytes), 2);
  return Buffer.concat([header, Buffer.alloc(bytes, "4")]);
}

/** The code of the close frame, 1009. */
const TOO_LARGE = Buffer.from([0x03, 0xf1]);

/** Opens a WebSocket and sends all frames, even after the server has closed it. */
async function flood(server: DevServer, query: string, frame: Buffer) {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  const ended = once(socket, "close");
  socket.write(
    `GET /socket.io/?EIO=4&transport=websocket${query} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n` +
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
  );
  await once(socket, "data");
  const refused = new Promise<void>((resolve) => {
    socket.on("data", (data) => data.includes(TOO_LARGE) && resolve());
  });
  const sent = Promise.all(
    Array.from({ length: FRAMES }, () => new Promise((done) => socket.write(frame, done))),
  );
  const late = pause(PATIENCE_MS, null, { ref: false });
  await Promise.race([ended, Promise.all([refused, sent]), late]);
  socket.destroy();
}

/** Opens the healthy client's WebSocket. */
async function openHealthy(server: DevServer, greeting: string[]) {
  const url = `${server.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`;
  const socket = new WebSocket(url, { perMessageDeflate: false });
  await once(socket, "open");
  for (const frame of greeting) {
    socket.send(frame);
    await once(socket, "message");
  }
  return socket;
}

/** Sends requests until `isOver`. Returns the longest wait in milliseconds. */
async function longestWait(socket: WebSocket, request: string, isOver: () => boolean) {
  let longest = 0;
  while (!isOver()) {
    const begun = performance.now();
    socket.send(request);
    await once(socket, "message");
    longest = Math.max(longest, performance.now() - begun);
    await pause(EVERY_MS);
  }
  return longest;
}

interface Kind {
  edit: (toml: string) => string;
  /** The frames with which the healthy client joins, each of which is answered. */
  greeting: (server: DevServer) => string[];
  request: string;
  /** The query of each attacker, by its number. */
  query: (server: DevServer, index: number) => string;
  probe?: string;
}

const kinds: Record<string, Kind> = {
  "plain JavaScript": {
    edit: servePlain,
    greeting: () => [],
    request: "ping",
    query: () => "",
  },
  Switchboard: {
    edit: (toml) => toml,
    greeting: (server) => [`40${JSON.stringify({ token: server.token("healthy") })}`],
    request: '420["get_online_status",{"userId":"healthy"}]',
    // Half of them through the relay, half of them straight to an object.
    query: (server, index) => (index % 2 ? `&token=${server.token(`attacker${index}`)}` : ""),
    probe: wasmProbe,
  },
};

const megabytes = (bytes: number) => Math.round(bytes / 1e6);

async function measure({ edit, greeting, request, query, probe }: Kind) {
  const server = await createDevServer({ LOG_CONNECTIONS: "off" }, { edit, probe });
  try {
    await server.start();
    const healthy = await openHealthy(server, greeting(server));
    const wasm = async () => (probe ? await wasmBytes(server) : 0);
    const [wasmBefore, before] = [await wasm(), resident(server)];
    const frame = maskedFrame(FRAME_BYTES);
    let isOver = false;
    const waited = longestWait(healthy, request, () => isOver);
    const begun = performance.now();
    await Promise.all(
      Array.from({ length: CONNECTIONS }, (_, index) => flood(server, query(server, index), frame)),
    );
    const seconds = (performance.now() - begun) / 1_000;
    isOver = true;
    const longest = await waited;
    return {
      "MB before": megabytes(before),
      "MB at the peak": megabytes(peak(server)),
      "wasm grew by MB": megabytes((await wasm()) - wasmBefore),
      "longest wait in ms": Math.round(longest),
      seconds: Number(seconds.toFixed(1)),
    };
  } finally {
    await server.close();
  }
}

await main(async () => {
  const results: Record<string, Awaited<ReturnType<typeof measure>>> = {};
  for (const [name, kind] of Object.entries(kinds)) results[name] = await measure(kind);
  console.table(results);
  if (results.Switchboard["wasm grew by MB"] > 0) throw new Failure("the wasm's memory has grown");
});
process.exit();
