// What the types of client/ allow and reject. Checked by the compiler (npm test), never run.

import { io } from "socket.io-client";
import type { Socket } from "socket.io-client";
import type {
  ClientToServerEvents,
  ErrorCode,
  Message,
  PayloadOf,
  ReplyOf,
  ServerToClientEvents,
  SwitchboardSocket,
} from "switchboard-events";

/** `true` if the two types are identical, otherwise `false`. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>) => {};

const socket: SwitchboardSocket = io("http://localhost:4000");
const plain: Socket<ServerToClientEvents, ClientToServerEvents> = socket;

socket.on("new_message", (message, offset) => {
  same<typeof offset, string>(true);
  same<typeof message, Message>(true);
  if (message.messageType === "text") same<string, typeof message.content.text>(true);
  else same<string, typeof message.content.fileUrl>(true);
  // @ts-expect-error a content's fields depend on the messageType
  message.content.text;
});
socket.on("error", ({ code, retryAfterMs }) => {
  same<typeof code, ErrorCode>(true);
  same<typeof retryAfterMs, number | null | undefined>(true);
});
// @ts-expect-error there is no such event
socket.on("new_mesage", () => {});

// A request may be emitted without an ack,
socket.emit("get_online_status", { userId: "customer1" });
// or with one, which gets the reply or the error.
socket.emit("get_online_status", { userId: "customer1" }, (reply) => {
  if ("error" in reply) return same<typeof reply.error.code, ErrorCode>(true);
  same<typeof reply.lastSeen, string | null>(true);
  same<typeof reply.connectionCount, number>(true);
});
// @ts-expect-error the payload needs a userId
socket.emit("get_online_status", {});
// @ts-expect-error there is no such request
socket.emit("get_status", { userId: "customer1" });
// @ts-expect-error only the server sends this event
socket.emit("new_message", {});
// @ts-expect-error Socket.IO's own type requires the ack
plain.emit("get_online_status", { userId: "customer1" });

const text = { messageType: "text", content: { text: "Hi" } } as const;
socket.emit("send_message", { receiverId: "customer1", ...text });
socket.emit("send_message", { conversationId: "c", jobId: "job", ...text });
// @ts-expect-error a message needs a receiver or a conversation
socket.emit("send_message", text);
// @ts-expect-error an image needs a fileUrl
socket.emit("send_message", { receiverId: "a", messageType: "image", content: { text: "Hi" } });
socket.emit("mark_as_read", { conversationId: "c", upTo: "m" });
// @ts-expect-error upTo or messageIds is missing
socket.emit("mark_as_read", { conversationId: "c" });

same<PayloadOf<"get_online_status">["userId"], string>(true);
same<ReplyOf<"send_message">["timestamp"], string>(true);
same<ReplyOf<"send_bulk_message">["results"][number]["success"], true>(true);

/** emitWithAck resolves to the reply or the error. */
export async function acks() {
  const sent = await socket.emitWithAck("send_message", { receiverId: "customer1", ...text });
  if ("error" in sent) return sent.error.message;
  same<typeof sent.messageId, string>(true);
  return sent.messageId;
}
