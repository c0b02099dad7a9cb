// Helpers for using the real socket.io-client with the types of client/.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { io } from "socket.io-client";
import type { ManagerOptions, Socket, SocketOptions } from "socket.io-client";
import type {
  Message,
  PayloadOf,
  Refusal,
  ReplyOf,
  RequestName,
  ServerToClientEvents,
  SwitchboardSocket,
} from "switchboard-events";

import { checkAck, checkPayload } from "./contract.ts";

export type EventName = keyof ServerToClientEvents;
type Options = Partial<ManagerOptions & SocketOptions>;

/** `claims` are added to the token. */
export type ClientOptions = { claims?: object } & Options;

/** A server to connect to. */
export interface Host {
  url: string;
  token(userId: string, claims?: object): string;
}

/** A socket with everything it has received: all events, and the texts of messages. */
export type Client = SwitchboardSocket & {
  events: [name: EventName, payload: any][];
  texts: string[];
};

/** The three transport settings that clients use. */
export const transportSettings: Record<string, Options> = {
  default: {},
  "websocket only": { transports: ["websocket"] },
  "polling only": { transports: ["polling"] },
};

const DIRECT = "straight to the object";

/** Every way to connect. With the token in the URL, the connection needs no relay. */
export const ways = [...Object.keys(transportSettings), DIRECT];

/** Returns the client options for one of the `ways`. */
export const optionsOf = (way: string, server: Host, userId: string): ClientOptions =>
  way === DIRECT
    ? { transports: ["websocket"], query: { token: server.token(userId) } }
    : transportSettings[way];

const open = new Set<Client>();

/** Creates a client of `userId` that starts to connect. */
export function begin(
  server: Host,
  userId: string,
  { claims, ...options }: ClientOptions = {},
): Client {
  const bare: SwitchboardSocket = io(server.url, {
    auth: { token: server.token(userId, claims) },
    reconnection: false,
    forceNew: true,
    ...options,
  });
  const socket: Client = Object.assign(bare, { events: [], texts: [] });
  open.add(socket);
  // Listen from the start: missed events arrive immediately after the CONNECT's reply.
  socket.onAny((name, payload) => {
    checkPayload(name, payload);
    socket.events.push([name, payload]);
  });
  socket.on("new_message", (message) => {
    const text = textOf(message);
    if (text !== null) socket.texts.push(text);
  });
  return socket;
}

/** Connects a client of `userId`. */
export async function connect(
  server: Host,
  userId: string,
  options: ClientOptions = {},
): Promise<Client> {
  const socket = begin(server, userId, options);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
  });
  return socket;
}

export const contractor = (server: Host, userId = "contractor1") =>
  connect(server, userId, { claims: { role: "contractor", name: "Contractor One" } });

/** Closes all clients that a test has left open. */
export function closeAll() {
  for (const socket of open) socket.close();
  open.clear();
}

/** Drops the types: Socket.IO's own cannot express functions that are generic over the event name. */
const untyped = (socket: SwitchboardSocket) => socket as unknown as Socket;

/** Events that the library emits about the connection. */
interface OwnEvents {
  connect: () => void;
  connect_error: (error: Refused) => void;
  disconnect: (reason: string, details?: any) => void;
}

/** The error of a `connect_error` that the server sent. */
export type Refused = Error & { data: { code: string; message: string } };

type Listened = ServerToClientEvents & OwnEvents;

/** Resolves to the arguments of the next event of this name. */
export const next = <Name extends keyof Listened>(socket: SwitchboardSocket, event: Name) =>
  new Promise<Parameters<Listened[Name]>>((resolve) => {
    untyped(socket).once(event as string, (...args) => resolve(args as never));
  });

/** Emits a request. Resolves to its ack, which may be a refusal. */
export async function ackOf<Name extends RequestName>(
  socket: SwitchboardSocket,
  event: Name,
  payload: PayloadOf<Name>,
): Promise<ReplyOf<Name> | Refusal> {
  return untyped(socket).timeout(30_000).emitWithAck(event, payload);
}

/** Emits a request with an ack. Returns the reply, or fails if the request was refused. */
export async function request<Name extends RequestName>(
  socket: SwitchboardSocket,
  event: Name,
  payload: PayloadOf<Name>,
): Promise<ReplyOf<Name>> {
  const ack = await ackOf(socket, event, payload);
  const { error } = ack as Partial<Refusal>;
  assert.ok(!error?.code, `${event} was refused: ${JSON.stringify(error)}`);
  checkAck(event, ack);
  return ack as ReplyOf<Name>;
}

/** Emits a possibly invalid request that the server must refuse. Returns the error. */
export async function refusal(socket: SwitchboardSocket, event: string, payload?: unknown) {
  const { error } = (await ackOf(socket, event as RequestName, payload as never)) as Refusal;
  assert.ok(error, `${event} was not refused`);
  return error;
}

export const statusOf = (socket: SwitchboardSocket, userId: string) =>
  request(socket, "get_online_status", { userId });

interface More {
  jobId?: string;
  idempotencyKey?: string;
}

/** Returns the payload of a bulk text message. */
export const textTo = (receiverIds: string[], text: string, more: More = {}) => ({
  receiverIds,
  messageType: "text" as const,
  content: { text },
  ...more,
});

export const sendText = (
  socket: SwitchboardSocket,
  receiverIds: string[],
  text: string,
  more?: More,
) => request(socket, "send_bulk_message", textTo(receiverIds, text, more));

type To = { receiverId: string } | { conversationId: string };

/** Returns the payload of a direct text message. */
export const directly = (to: To, text: string, more: More = {}) => ({
  ...to,
  messageType: "text" as const,
  content: { text },
  ...more,
});

/** Sends a direct text message. */
export const sendTo = (socket: SwitchboardSocket, to: To, text: string, more?: More) =>
  request(socket, "send_message", directly(to, text, more));

/** Returns a message's text, or null if it is not a text message. */
export const textOf = (message: Message): string | null =>
  message.messageType === "text" ? message.content.text : null;

/** Returns a growing list of the events with these names that arrive from now on, in order. */
export function record(socket: Client, ...names: EventName[]): Client["events"] {
  const events: Client["events"] = [];
  socket.onAny((name, payload) => {
    if (names.includes(name)) events.push([name, payload]);
  });
  return events;
}

/** Polls until the condition is truthy and returns its value. For conditions that no event reports. */
export async function until<T>(
  isSo: () => T | Promise<T>,
  what: string,
  timeoutMs = 10_000,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const result = await isSo();
    if (result) return result as Exclude<T, false | null | undefined>;
    if (Date.now() > deadline) throw new Error(`timed out after ${timeoutMs} ms: ${what}`);
    await pause(20);
  }
}

/** Returns what the client has stored to recover its session. */
export const recoveryOf = (socket: SwitchboardSocket) => {
  const { _pid: pid, _lastOffset: offset } = socket as unknown as Record<string, string>;
  return { pid, offset };
};

/** The underlying WebSocket of a client, from the package `ws`. */
interface RawSocket {
  on(event: string, listener: (...args: any[]) => void): void;
  once(event: string, listener: (...args: any[]) => void): void;
  send(frame: string | Uint8Array): void;
  close(): void;
  terminate(): void;
  pause(): void;
  resume(): void;
}

export const rawSocket = (socket: SwitchboardSocket) =>
  (socket.io.engine.transport as unknown as { ws: RawSocket }).ws;

/** Delays the client's pongs from now on. Pongs are all that an idle client sends. */
export function delayPongs(socket: SwitchboardSocket, delayMs: number) {
  const engine = socket.io.engine as unknown as { _sendPacket(...args: unknown[]): void };
  const send = engine._sendPacket.bind(engine);
  engine._sendPacket = (type, ...rest) => {
    if (type === "pong") setTimeout(send, delayMs, type, ...rest);
    else send(type, ...rest);
  };
}

/** Resolves when the server pings the client. */
export const nextPing = (socket: SwitchboardSocket) =>
  new Promise<void>((resolve) => socket.io.engine.once("ping", resolve));

/** Resolves when a default client has upgraded to WebSocket. */
export async function upgraded(socket: SwitchboardSocket) {
  const { engine } = socket.io;
  if (engine.transport.name === "websocket") return;
  await new Promise((resolve) => engine.once("upgrade", resolve));
}
