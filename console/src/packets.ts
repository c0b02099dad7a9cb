// Records the connection's packets for the event log: Engine.IO packets and the Socket.IO packets in them.

import { WebSocket, XHR } from "socket.io-client";
import { Decoder, PacketType } from "socket.io-parser";
import type { Packet as SocketPacket } from "socket.io-parser";

import { change, state } from "./store.ts";
import type { Packet } from "./store.ts";

type Described = Pick<Packet, "kind" | "name" | "body">;

interface EnginePacket {
  type: string;
  data?: unknown;
}

const maxPackets = 1_000;

/** Line separators and bidirectional controls, which can make copied code read differently than it runs. */
const deceptive = /[\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16)}`;

const json = (value: unknown, indent?: number) =>
  (JSON.stringify(value, null, indent) ?? "").replace(deceptive, escaped);

/** Returns the Socket.IO packet in a message, or null if it is not complete. */
function decoded(text: string): SocketPacket | null {
  let found: SocketPacket | null = null;
  const decoder = new Decoder();
  decoder.on("decoded", (packet) => (found = packet));
  try {
    decoder.add(text);
  } catch {
    return null;
  }
  return found;
}

/** Hides the token from people looking on, and from logs that are pasted elsewhere. */
const masked = (data: unknown) =>
  data && typeof data === "object" && "token" in data ? { ...data, token: "…" } : data;

/** Returns the kind, name and body of an Engine.IO packet. */
function describe({ type, data }: EnginePacket): Described {
  if (typeof data !== "string") return { kind: type, name: "", body: "" };
  const packet = type === "message" ? decoded(data) : null;
  if (!packet) return { kind: type, name: "", body: data };
  const kind = PacketType[packet.type].toLowerCase();
  if (kind === "event") {
    const [name, ...args] = packet.data;
    return { kind, name: String(name), body: json(args, 2) };
  }
  const name = kind === "ack" ? `#${packet.id}` : "";
  return { kind, name, body: json(kind === "connect" ? masked(packet.data) : packet.data, 2) };
}

let lastId = 0;

function take(direction: Packet["direction"], packet: EnginePacket) {
  const entry: Packet = { id: ++lastId, at: Date.now(), direction, ...describe(packet) };
  change({ packets: [entry, ...state.packets].slice(0, maxPackets) });
}

interface Transport {
  on(event: "packet", listener: (packet: EnginePacket) => void): unknown;
  send(packets: EnginePacket[]): void;
}

/** Returns a transport that records all packets, including those of an upgrade, which no event reports. */
const recorded = <Base extends new (...args: any[]) => Transport>(base: Base) =>
  class extends base {
    constructor(...args: any[]) {
      super(...args);
      this.on("packet", (packet) => take("in", packet));
    }

    override send(packets: EnginePacket[]) {
      for (const packet of packets) take("out", packet);
      super.send(packets);
    }
  };

/** The library's default transports in their default order, with recording. */
export const transports = [recorded(XHR), recorded(WebSocket)];

const commented = (text: string) => text.replace(/^|\r\n?|\n|\u2028|\u2029/g, "$&// ");

/** Returns code that sends an outgoing event or listens for an incoming one; other packets as comments. */
export function snippet({ direction, kind, name, body }: Packet): string {
  if (kind !== "event") return commented(`${direction}: ${kind} ${name}\n${body}`);
  const payload = body.slice(1, -1).trim();
  if (direction === "out") return `socket.emit(${json(name)}, ${payload});`;
  return `socket.on(${json(name)}, (...args) => {\n${commented(body).replace(/^/gm, "  ")}\n});`;
}

/** Returns the packets that match the filter. */
export function shown(): Packet[] {
  const wanted = state.filter.trim().toLowerCase();
  const isWanted = ({ kind, name, body, direction }: Packet) =>
    (state.showsHeartbeat || (kind !== "ping" && kind !== "pong")) &&
    `${direction} ${kind} ${name} ${body}`.toLowerCase().includes(wanted);
  return state.packets.filter(isWanted);
}
