// Frames over the limit do not make the wasm's memory grow: they are measured before they are copied into it.

import assert from "node:assert/strict";
import { once } from "node:events";
import test, { after, before } from "node:test";
import WebSocket from "ws";

import { wasmBytes, wasmProbe } from "./abuse/memory.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";

const LARGE_BYTES = 8_000_000;
const FRAMES = 3;

let server: DevServer;
before(async () => {
  server = await createDevServer({}, { probe: wasmProbe });
  await server.start();
});
after(() => server.close());

/** Connects, joins if wanted, and waits for the server's reply to the last step. */
async function open(userId: string, isDirect: boolean, isJoined: boolean) {
  const token = server.token(userId);
  const query = new URLSearchParams({ EIO: "4", transport: "websocket" });
  if (isDirect) query.set("token", token);
  const url = `${server.url.replace("http", "ws")}/socket.io/?${query}`;
  const socket = new WebSocket(url, { perMessageDeflate: false });
  await once(socket, "message");
  if (isJoined) {
    socket.send(`40${JSON.stringify({ token })}`);
    await once(socket, "message");
  }
  return socket;
}

const frames = { text: "4".repeat(LARGE_BYTES), binary: Buffer.alloc(LARGE_BYTES) };

for (const isDirect of [false, true]) {
  for (const isJoined of [false, true]) {
    const way = isDirect ? "straight to the object" : "through the relay";
    test(`${way}, ${isJoined ? "joined" : "not joined"}`, async () => {
      await open("warm-up", isDirect, isJoined);
      const begun = await wasmBytes(server);
      for (const frame of Object.values(frames)) {
        const socket = await open("large", isDirect, isJoined);
        for (let count = 0; count < FRAMES; count++) socket.send(frame);
        const [code] = await once(socket, "close");
        assert.equal(code, 1009);
      }
      assert.equal(await wasmBytes(server), begun);
    });
  }
}
