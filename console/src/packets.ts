// The packets of a connection, as the event log shows them: Engine.IO's, and Socket.IO's within.

import type { Manager } from "socket.io-client";
import { change, state } from "./store.ts";
import type { Packet } from "./store.ts";

type Described = Pick<Packet, "kind" | "name" | "body">;

interface EnginePacket {
  type: string;
  data?: unknown;
}

const maxPackets = 500;
const kinds = ["connect", "disconnect", "event", "ack", "connect_error", "event", "ack"];
const header = /^(\d)(?:\d+-)?(?:(\/[^,]*),)?(\d*)([^]*)$/;

/** A token is nobody's to read over a shoulder, or to paste with a log. */
const masked = (text: string) => text.replace(/"token":"[^"]*"/g, '"token":"…"');

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** What an Engine.IO packet is about. */
export function describe({ type, data }: EnginePacket): Described {
  if (typeof data !== "string") return { kind: type, name: "", body: "" };
  const found = type === "message" ? header.exec(data) : null;
  if (!found) return { kind: type, name: "", body: data };
  const [, digit, , ackId, text] = found;
  const kind = kinds[Number(digit)] ?? type;
  const content = parsed(kind === "connect" ? masked(text ?? "") : (text ?? ""));
  if (kind === "event" && Array.isArray(content)) {
    return { kind, name: String(content[0]), body: JSON.stringify(content.slice(1), null, 2) };
  }
  const body = text ? JSON.stringify(content, null, 2) : "";
  return { kind, name: kind === "ack" ? `#${ackId}` : "", body };
}

let lastId = 0;

function take(direction: Packet["direction"], packet: EnginePacket) {
  const entry: Packet = { id: ++lastId, at: Date.now(), direction, ...describe(packet) };
  change({ packets: [entry, ...state.packets].slice(0, maxPackets) });
}

/** Takes down every packet of a manager's connections, also of those to come. */
export function listen(manager: Manager) {
  const watch = () => {
    manager.engine.on("packet", (packet: EnginePacket) => take("in", packet));
    manager.engine.on("packetCreate", (packet: EnginePacket) => take("out", packet));
    manager.engine.on("upgrade", (transport: { name: string }) =>
      change({ transport: transport.name }),
    );
  };
  watch();
  // The new engine is made right after this event.
  manager.on("reconnect_attempt", () => queueMicrotask(watch));
}

/** Code that does what the packet did. */
export function snippet({ direction, kind, name, body }: Packet): string {
  if (kind !== "event") return `// ${direction}: ${kind} ${name}\n${body}`;
  const payload = body.slice(1, -1).trim();
  if (direction === "out") return `socket.emit(${JSON.stringify(name)}, ${payload});`;
  return `socket.on(${JSON.stringify(name)}, (...args) => {\n  // ${body.replaceAll("\n", "\n  // ")}\n});`;
}

/** The packets that the filter lets through. */
export function shown(): Packet[] {
  const wanted = state.filter.trim().toLowerCase();
  const isWanted = ({ kind, name, body, direction }: Packet) =>
    (state.showsHeartbeat || (kind !== "ping" && kind !== "pong")) &&
    `${direction} ${kind} ${name} ${body}`.toLowerCase().includes(wanted);
  return state.packets.filter(isWanted);
}
