// Binary events and binary acks with the maximum number of attachments, in both directions and over both
// transports. They run against the fixture, which echoes and acks.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { io } from "socket.io-client";

import { calm, openSession, openWire, poll, post, startFixture } from "./support/fixture.ts";
import type { Fixture, Message } from "./support/fixture.ts";
import { transportSettings } from "./support/clients.ts";

const PATH = "/socket.io";

let server: Fixture;
before(async () => {
  server = await startFixture(calm);
});
after(() => server.close());

/** Ten distinguishable attachments, with lengths around the limits of WebSocket's length encodings. */
const attachments = [0, 1, 2, 3, 125, 126, 127, 300, 65_535, 65_536].map((length, index) =>
  Uint8Array.from({ length }, (_, at) => (at * 7 + index) % 256),
);
const placeholders = attachments.map((_, num) => `{"_placeholder":true,"num":${num}}`);

/** Sends and receives packets over either transport. */
interface Link {
  send(...packets: (string | Uint8Array<ArrayBuffer>)[]): Promise<unknown>;
  next(): Promise<Message>;
  close(): Promise<unknown>;
}

async function overWebSocket(): Promise<Link> {
  const wire = await openWire(server, PATH);
  return {
    send: async (...packets) => wire.send(...packets),
    next: () => wire.next<Message>(),
    close: () => wire.close(),
  };
}

const toBase64 = (bytes: Uint8Array) => `b${Buffer.from(bytes).toString("base64")}`;
const fromBase64 = (packet: string): Message =>
  packet.startsWith("b") ? [...Buffer.from(packet.slice(1), "base64")] : packet;

async function overPolling(): Promise<Link> {
  const sid = await openSession(server, PATH);
  const queue: Message[] = [];
  return {
    async send(...packets) {
      const texts = packets.map((packet) =>
        typeof packet === "string" ? packet : toBase64(packet),
      );
      assert.deepEqual(await post(server, PATH, sid, texts.join("\x1e")), [200, "ok"]);
    },
    async next() {
      while (queue.length === 0) {
        const [status, body] = await poll(server, PATH, sid);
        assert.equal(status, 200);
        queue.push(...body.split("\x1e").map(fromBase64));
      }
      return queue.shift() ?? "";
    },
    close: () => post(server, PATH, sid, "1"),
  };
}

/** Asserts that the next packet has this head and all attachments. */
async function comes(link: Link, head: string) {
  assert.equal(await link.next(), `${head}${placeholders}]`);
  for (const attachment of attachments) assert.deepEqual(await link.next(), [...attachment]);
}

const links = { WebSocket: overWebSocket, polling: overPolling };

for (const [transport, open] of Object.entries(links)) {
  test(`on the wire, over ${transport}`, async () => {
    const link = await open();
    const send = (head: string) => link.send(`${head}${placeholders}]`, ...attachments);
    await link.send("40");
    assert.match(String(await link.next()), /^40\{/);
    assert.equal(await link.next(), '42["auth",{}]');

    // An event and its echo.
    await send('4510-["message",');
    await comes(link, '4510-["message-back",');
    // An event that the server acknowledges.
    await send('4510-789["message-with-ack",');
    await comes(link, "4610-789[");
    // An ack that nobody requested is ignored together with its attachments.
    await send("4610-0[");
    await send('4510-["message",');
    await comes(link, '4510-["message-back",');
    await link.close();
  });
}

/** Variants of base64 that the reference server accepts, too. */
const spellings: Record<string, (base64: string) => string> = {
  "a line break at the end, as Java's": (base64) => `${base64}\n`,
  "lines (RFC 2045)": (base64) => base64.replace(/.{76}/g, "$&\r\n"),
  "no padding": (base64) => base64.replace(/=+$/, ""),
  "the alphabet for URLs": (base64) => base64.replaceAll("+", "-").replaceAll("/", "_"),
};

for (const [what, spell] of Object.entries(spellings)) {
  test(`base64 over polling: ${what}`, async () => {
    const sid = await openSession(server, PATH);
    const binaries = attachments.map((bytes) => spell(toBase64(bytes)));
    const packets = ["40", `4510-["message",${placeholders}]`, ...binaries];
    assert.deepEqual(await post(server, PATH, sid, packets.join("\x1e")), [200, "ok"]);
    const answers: Message[] = [];
    while (answers.length < 3 + attachments.length) {
      const [status, body] = await poll(server, PATH, sid);
      assert.equal(status, 200);
      answers.push(...body.split("\x1e").map(fromBase64));
    }
    const expected = [`4510-["message-back",${placeholders}]`, ...attachments.map((it) => [...it])];
    assert.deepEqual(answers.slice(2), expected);
    assert.deepEqual(await post(server, PATH, sid, "1"), [200, "ok"]);
  });
}

for (const [name, options] of Object.entries(transportSettings)) {
  test(`with the real client, ${name}`, async () => {
    const socket = io(server.url, { ...options, forceNew: true, reconnection: false });
    const next = (event: string) =>
      new Promise<unknown[]>((resolve) => socket.once(event, (...args) => resolve(args)));
    const buffers = attachments.map((bytes) => Buffer.from(bytes));
    const nested = { files: buffers.slice(0, 9), deep: [{ last: buffers[9] }], text: "as it is" };

    const back = next("message-back");
    socket.emit("message", nested, 1);
    assert.deepEqual(await back, [nested, 1]);
    assert.deepEqual(await socket.timeout(10_000).emitWithAck("message-with-ack", nested), nested);
    socket.close();
  });
}
