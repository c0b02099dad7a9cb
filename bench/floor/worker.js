// The floor: a plain JavaScript Worker with the product's objects, statements and rows. It serves the same
// wire to the events of the benchmark, and does nothing else: no limits, no recovery, no checks of payloads.

import { openPacket, randomId, verify } from "./ids.js";

export { PollingGateway } from "./gateway.js";
export { UserObject } from "./user.js";

const GATEWAYS = 4;

/** Requests a WebSocket from the user's object. */
function connect(env, info) {
  const headers = { Upgrade: "websocket", "Connection-Info": JSON.stringify(info) };
  return env.USER.getByName(info.user.id).fetch("http://object/connect", { headers });
}

/** Returns a WebSocket to the user's object; the caller accepts it. */
export async function openUser(env, info) {
  const { webSocket, status } = await connect(env, info);
  if (!webSocket) throw new Error(`the object returned ${status}`);
  return webSocket;
}

const gatewayOf = (env, sid) => env.POLLING_GATEWAY.getByName(`${sid.charCodeAt(0) % GATEWAYS}`);

/** Accepts the client's WebSocket, waits for its CONNECT, and passes frames on from then on. */
function relay(env, sid) {
  const [outer, client] = Object.values(new WebSocketPair());
  let object = null;
  client.accept();
  client.send(openPacket(env, sid, []));
  client.addEventListener("message", async ({ data }) => {
    if (object) return (await object).send(data);
    object = enter(env, sid, client, data);
    object.catch(() => client.close(1008, "refused"));
  });
  client.addEventListener("close", async () => (await object)?.close());
  return new Response(null, { status: 101, webSocket: outer });
}

async function enter(env, sid, client, packet) {
  const user = await verify(JSON.parse(packet.slice(2)).token, env);
  const object = await openUser(env, { sid, user });
  // A noop is the object's auto-response to a pong.
  object.addEventListener("message", ({ data }) => data !== "6" && client.send(data));
  object.addEventListener("close", () => client.close());
  object.accept();
  object.send(packet);
  return object;
}

async function upgrade(env, sid) {
  const user = await (await gatewayOf(env, sid).fetch(`http://object/user?sid=${sid}`)).json();
  return connect(env, { sid, user, isProbe: true });
}

export default {
  async fetch(request, env) {
    const { searchParams } = new URL(request.url);
    const sid = searchParams.get("sid");
    const token = searchParams.get("token");
    if (searchParams.get("transport") === "polling") {
      if (sid) return gatewayOf(env, sid).fetch(request);
      return new Response(openPacket(env, randomId(), ["websocket"]));
    }
    if (sid) return upgrade(env, sid);
    if (!token) return relay(env, randomId());
    return connect(env, { sid: randomId(), user: await verify(token, env), sendOpen: true });
  },
};
