// Like types.ts, for a CommonJS app: there, socket.io-client has different types.

import type { SwitchboardSocket } from "switchboard-events";

declare const client: typeof import("socket.io-client");

const socket: SwitchboardSocket = client.io("http://localhost:4000");
socket.on("new_message", ({ timestamp }) => timestamp.slice(0, 10));
socket.emit("typing_start", { conversationId: "c" });
// @ts-expect-error typing needs a conversationId
socket.emit("typing_start", { userId: "a" });
