// The floor's polling gateway: the sessions of polling clients until they upgrade.

import { DurableObject } from "cloudflare:workers";

import { verify } from "./ids.js";
import { openUser } from "./worker.js";

const SEPARATOR = "\x1e";

const text = (body) => new Response(body, { headers: { "Content-Type": "text/plain" } });

export class PollingGateway extends DurableObject {
  /** By sid: `{ user, socket, queue, get }`, where `get` resolves the waiting GET. */
  #sessions = new Map();

  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    const sid = searchParams.get("sid");
    const session = this.#session(sid);
    if (pathname === "/user") return Response.json(session.user ?? null);
    if (request.method === "GET") return this.#poll(session);
    for (const packet of (await request.text()).split(SEPARATOR)) {
      if (packet.startsWith("40")) await this.#link(sid, session, packet);
      // The object answers pongs that arrive on its own sockets only; here they mean nothing.
      else if (packet !== "3") session.socket?.send(packet);
    }
    return text("ok");
  }

  #session(sid) {
    if (!this.#sessions.has(sid)) this.#sessions.set(sid, { queue: [] });
    return this.#sessions.get(sid);
  }

  /** Opens the WebSocket to the user's object, and passes the CONNECT on. */
  async #link(sid, session, packet) {
    session.user = await verify(JSON.parse(packet.slice(2)).token, this.env);
    session.socket = await openUser(this.env, { sid, user: session.user });
    session.socket.addEventListener("message", ({ data }) => this.#take(sid, session, data));
    session.socket.accept();
    session.socket.send(packet);
  }

  #take(sid, session, packet) {
    if (packet === "!probe") {
      // While a WebSocket probes, no GET may stay open.
      session.isProbed = true;
      session.get?.("6");
      session.get = null;
      return;
    }
    if (packet === "!take") {
      const queue = session.queue.splice(0);
      this.#sessions.delete(sid);
      return session.socket.send(`!queue${JSON.stringify(queue)}`);
    }
    this.#hand(session, packet);
  }

  #hand(session, packet) {
    if (session.get) session.get(packet);
    else session.queue.push(packet);
    session.get = null;
  }

  async #poll(session) {
    if (session.queue.length > 0) return text(session.queue.splice(0).join(SEPARATOR));
    if (session.isProbed) return text("6");
    return text(await new Promise((resolve) => (session.get = resolve)));
  }
}
