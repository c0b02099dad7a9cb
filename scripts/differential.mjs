// Compares the decoders of src/wire with the reference parsers on generated packets. Part of `npm test`.
// SEED=n generates other packets; a failure names the seed.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

import { Failure, cargoLocked, inRoot, isMain, main, run, toolEnv } from "./lib/project.mjs";

const perProtocol = 50_000;
const folder = inRoot("target", "differential");

/** Returns a generator of numbers from 0 to limit - 1; equal seeds give equal numbers (mulberry32). */
function drawing(seed) {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

function generators(draw) {
  const pick = (list) => list[draw(list.length)];
  const several = (make, most) => Array.from({ length: draw(most + 1) }, make);
  const text = () =>
    pick(["", "a", "ü", "字", "🙂", '"', "\\", "\n", "message", "connect", "-1", "42", ",", "/"]);
  // No key needs an escape: after Node's JSON.parse has read {"\\\\":0}, it takes {"\\n":0} for the same.
  const key = () => pick(["a", "ü", "字", "🙂", "message", "-1", "42", "_placeholder"]);
  const json = (depth = 0) =>
    pick([
      () => JSON.stringify(text()),
      () => pick(["0", "7", "-1", "1.5", "1e3", "1e400", "12345678901234567890"]),
      () => pick(["true", "false", "null"]),
      () => pick(['"\\ud800"', '"\\u0041"', '"\\/"', " 1 "]),
      () => `[${several(() => json(depth + 1), depth < 3 ? 2 : 0).join(",")}]`,
      () =>
        `{${several(() => `${JSON.stringify(key())}:${json(depth + 1)}`, depth < 3 ? 2 : 0).join(",")}}`,
      () => '{"_placeholder":true,"num":0}',
    ])();

  /** Inserts, deletes or replaces up to two characters. */
  const mutated = (packet) => {
    const characters = [...packet];
    for (let count = draw(3); count > 0; count--) {
      const noise = pick([...'0123456789[]{}",-/b=+ \n\u001eé', "null"]);
      characters.splice(draw(characters.length + 1), draw(2), ...(draw(3) > 0 ? [noise] : []));
    }
    return characters.join("");
  };

  const socket = () => {
    const type = pick([..."0122223456"]);
    const attachments = "56".includes(type) ? `${pick(["1", "2", "10", "11", "0", ""])}-` : "";
    const namespace = pick(["", "", "", "/,", "/admin,", "/a?b=c,", "/é,"]);
    const id = pick([
      "0",
      "7",
      "123",
      ...(type === "3" || type === "6" ? [] : ["", "", ""]),
      "9007199254740991",
    ]);
    const first = () => (draw(8) > 0 ? JSON.stringify(text()) : json());
    const list = () => `[${[first(), ...several(json, 2)].join(",")}]`;
    const object = () => `{"token":${JSON.stringify(text())}}`;
    const data = type === "0" ? [object, object, () => "", json] : [list, list, list, list, json];
    return type + attachments + namespace + id + (type === "1" ? "" : pick(data)());
  };

  const base64 = () =>
    Buffer.from(several(() => draw(256), 9)).toString(pick(["base64", "base64", "base64url"]));
  const engine = () =>
    Array.from({ length: 1 + draw(3) }, () =>
      pick([
        () => `4${pick([socket(), text()])}`,
        () => pick(["2", "2probe", "3", "3probe", "5", "6", "1", '0{"sid":"a"}']),
        () => `b${base64()}`,
      ])(),
    ).join("\u001e");

  const maybeMutated = (make) => () => (draw(2) > 0 ? mutated(make()) : make());
  return { socket: maybeMutated(socket), engine: maybeMutated(engine) };
}

/** Returns a decoder that gives the reference parser's result in our format, or null for invalid packets. */
async function referenceSocket() {
  const { Decoder, PacketType } = await import("socket.io-parser");
  const kinds = {
    [PacketType.CONNECT]: "connect",
    [PacketType.DISCONNECT]: "disconnect",
    [PacketType.EVENT]: "event",
    [PacketType.BINARY_EVENT]: "event",
    [PacketType.ACK]: "ack",
    [PacketType.BINARY_ACK]: "ack",
    [PacketType.CONNECT_ERROR]: "connect_error",
  };
  return (text) => {
    try {
      const packet = new Decoder().decodeString(text);
      const kind = kinds[packet.type];
      const isEvent = kind === "event";
      return {
        head: {
          kind,
          namespace: packet.nsp,
          id: packet.id ?? null,
          attachments: packet.attachments ?? 0,
          name: isEvent && packet.data ? packet.data[0] : null,
        },
        data: isEvent && packet.data ? packet.data.slice(1) : (packet.data ?? null),
      };
    } catch {
      return null;
    }
  };
}

async function referenceEngine() {
  const { decodePayload } = await import("engine.io-parser");
  return (body) => {
    const packets = decodePayload(body, "nodebuffer").map(({ type, data }) =>
      Buffer.isBuffer(data) ? ["binary", [...data]] : [type, data ?? ""],
    );
    return packets.some(([type]) => type === "error") ? null : packets;
  };
}

/** The known differences from the reference parsers, and the reasons. */
const differences = {
  socket: [
    // A client must not send one.
    [
      "a CONNECT_ERROR is the server's to send",
      (_, theirs) => theirs?.head.kind === "connect_error",
    ],
    // The reference parser accepts it, but its server fails on it later.
    [
      "an event has a name",
      (_, theirs, ours) => !ours && theirs?.head.kind === "event" && theirs.head.name === null,
    ],
    [
      "an ack has an id",
      (_, theirs, ours) => !ours && theirs?.head.kind === "ack" && theirs.head.id === null,
    ],
    [
      "an ack has a list",
      (_, theirs, ours) => !ours && theirs?.head.kind === "ack" && theirs.data === null,
    ],
    // We treat every name as text: a number keeps its spelling.
    ["a number as a name becomes text", (_, theirs) => typeof theirs?.head.name === "number"],
    ["a name is valid Unicode", (text, _, ours) => !ours && /\\ud[89a-f]/i.test(text)],
    ["a type is a digit", (text) => !/^\d/.test(text)],
    // JavaScript's Number accepts more than digits: white space, 1e0, 0x1, +1, and too large numbers.
    [
      "ids are digits",
      (text, theirs, ours) => theirs !== null && /^\d(\d*-)?(\/[^,]*,?)?\d*\s/.test(text),
    ],
    ["ids have at most 64 bits", (text, theirs, ours) => !ours && /\d{16,}/.test(text)],
    ["ids are exact", (_, theirs, ours) => ours?.head.id > Number.MAX_SAFE_INTEGER],
    [
      "a count of attachments is digits",
      (text, theirs, ours) =>
        theirs !== null && !ours && /^[56]/.test(text) && !/^[56]\d+-/.test(text),
    ],
  ],
  engine: [
    // Data in these packets has no meaning; we drop it.
    [
      "data in a close, an upgrade or a noop is dropped",
      (body) => /(^|\u001e)[156][^\u001e]/.test(body),
    ],
    // Buffer.from skips characters that are not base64; a client that sends them is broken.
    ["invalid base64 is refused", (body, _, ours) => !ours && /(^|\u001e)b/.test(body)],
  ],
};

function compare(protocol, packets, ours, reference, seed) {
  const counts = {};
  packets.forEach((packet, index) => {
    const theirs = reference(packet);
    try {
      assert.deepEqual(ours[index], theirs);
    } catch {
      const known = differences[protocol].find(([, isIt]) => isIt(packet, theirs, ours[index]));
      if (known) {
        counts[known[0]] = (counts[known[0]] ?? 0) + 1;
        return;
      }
      const show = (value) => JSON.stringify(value);
      throw new Failure(
        `${protocol}: ${show(packet)} (SEED=${seed})\n  ours:      ${show(ours[index])}\n  reference: ${show(theirs)}`,
      );
    }
  });
  const refused = ours.filter((packet) => packet === null).length;
  console.log(`${protocol}: ${packets.length} packets, ${refused} refused; differences:`, counts);
}

/** Parses the data of a Socket.IO packet, which src/wire leaves as JSON text, as the reference does. */
const read = (packet) =>
  packet && !Array.isArray(packet) ? { ...packet, data: JSON.parse(packet.data) } : packet;

export async function differential(seed) {
  const draw = drawing(seed);
  const make = generators(draw);
  const packets = {
    socket: Array.from({ length: perProtocol }, make.socket),
    engine: Array.from({ length: perProtocol }, make.engine),
  };
  mkdirSync(folder, { recursive: true });
  for (const [name, list] of Object.entries(packets)) {
    writeFileSync(`${folder}/${name}.json`, JSON.stringify(list));
  }
  const env = { ...toolEnv(), DIFFERENTIAL: folder };
  await run("cargo", ["test", "--quiet", ...cargoLocked, "--test", "differential"], { env });
  const references = { socket: await referenceSocket(), engine: await referenceEngine() };
  for (const [name, list] of Object.entries(packets)) {
    const ours = JSON.parse(readFileSync(`${folder}/${name}.decoded.json`, "utf8")).map(read);
    compare(name, list, ours, references[name], seed);
  }
}

if (isMain(import.meta)) {
  await main(() => differential(Number(process.env.SEED ?? 1)));
}
