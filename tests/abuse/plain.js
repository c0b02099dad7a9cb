// What the platform itself costs: a Worker that returns small frames, and closes at the first large one.

import { DurableObject } from "cloudflare:workers";

const MAX_BYTES = 1_000_000;

/** The classes that wrangler.toml binds. */
export class UserObject extends DurableObject {}
export class PollingGateway extends DurableObject {}
export class CampaignObject extends DurableObject {}
export class Pacemaker extends DurableObject {}

function serve(socket) {
  socket.binaryType = "arraybuffer";
  socket.accept();
  socket.addEventListener("message", ({ data }) => {
    const bytes = data.byteLength ?? data.length;
    if (bytes > MAX_BYTES) socket.close(1009);
    else socket.send(data);
  });
}

export default {
  fetch(request) {
    if (!request.headers.has("Upgrade")) return new Response("ok");
    const [client, server] = Object.values(new WebSocketPair());
    serve(server);
    return new Response(null, { status: 101, webSocket: client });
  },
};
