// As types.ts, for an app in CommonJS: there socket.io-client has types of its own.

import type { SwitchboardSocket } from "switchboard-events";

declare const client: typeof import("socket.io-client");

const socket: SwitchboardSocket = client.io("http://localhost:4000");
socket.on("new_message", ({ timestamp }) => timestamp.slice(0, 10));
socket.emit("typing_start", { conversationId: "c" });
// @ts-expect-error what is typed into is a conversation
socket.emit("typing_start", { userId: "a" });
