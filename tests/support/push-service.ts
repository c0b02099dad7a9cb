// A push service on loopback (RFC 8030): takes pushes for the browsers that it knows, checks who sends them (RFC 8292)
// and decrypts them (RFC 8291), which a real one cannot.

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { browserKeys, readPush, readVapid } from "./push-browser.ts";
import type { BrowserKeys } from "./push-browser.ts";

/** A push that arrived. */
export interface Push {
  /** When it arrived, in milliseconds of a clock that is never set. */
  at: number;
  payload: any;
  topic: string | undefined;
  urgency: string | undefined;
  ttl: number;
  /** The token's claims. */
  vapid: { aud: string; exp: number; sub: string };
  publicKey: string;
}

/** How the service answers. */
type Answer = (response: ServerResponse) => void;

/** A browser with a subscription at this service, as `subscribe_push` takes it. */
export interface Browser {
  subscription: { endpoint: string; keys: BrowserKeys["keys"] };
  /** The pushes so far, whatever the answer was. */
  pushes: Push[];
  /** Resolves with the push number `index`, counted from 0, as soon as it is there. */
  push(index: number): Promise<Push>;
  /** From now on, pushes for this browser are answered with this status. */
  respond(status: number, headers?: Record<string, string>): void;
  /** From now on, they are not answered. */
  hang(): void;
  /** From now on, their connections are cut. */
  reset(): void;
  /** From now on, they are taken again. */
  recover(): void;
}

export type PushService = Awaited<ReturnType<typeof startPushService>>;

const longestToken = 24 * 3600;

async function bodyOf(request: IncomingMessage) {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Reads a push and checks everything that a push service demands. Throws if something is wrong. */
function read({ headers }: IncomingMessage, body: Buffer, origin: string, keys: BrowserKeys): Push {
  const { authorization, ttl, topic, urgency } = headers as Record<string, string | undefined>;
  const { claims, isGenuine, publicKey } = readVapid(authorization ?? "");
  assert.ok(isGenuine, "the token is signed by its key");
  assert.equal(claims.aud, origin);
  const seconds = claims.exp - Date.now() / 1000;
  assert.ok(seconds > 0 && seconds <= longestToken, `the token expires in ${seconds} s`);
  assert.match(claims.sub, /^(mailto:|https:)/);
  assert.equal(headers["content-encoding"], "aes128gcm");
  assert.match(ttl ?? "", /^\d+$/);
  assert.match(topic ?? "", /^[\w-]{1,32}$/);
  assert.match(urgency ?? "", /^(very-low|low|normal|high)$/);
  assert.ok(body.length <= 4096, `${body.length} bytes`);
  const payload = JSON.parse(readPush(body, keys));
  const at = performance.now();
  return { at, payload, topic, urgency, ttl: Number(ttl), vapid: claims, publicKey };
}

const taken: Answer = (response) => void response.writeHead(201).end();

/** What the service knows of a browser. */
interface Subscribed {
  keys: BrowserKeys;
  pushes: Push[];
  answer: Answer;
}

/** Starts a push service. */
export async function startPushService() {
  const browsers = new Map<string, Subscribed>();
  const faults: unknown[] = [];
  const news = new EventEmitter().setMaxListeners(0);

  async function receive(request: IncomingMessage, response: ServerResponse) {
    const body = await bodyOf(request);
    const browser = browsers.get(request.url ?? "");
    if (!browser) return void response.writeHead(404).end();
    try {
      assert.equal(request.method, "POST");
      browser.pushes.push(read(request, body, origin, browser.keys));
      browser.answer(response);
    } catch (fault) {
      faults.push(fault);
      response.writeHead(400).end();
    }
    news.emit("request");
  }

  const server = createServer((request, response) => void receive(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const origin = `http://127.0.0.1:${port}`;

  /** Subscribes a browser. */
  function browser(): Browser {
    const path = `/push/secret-${browsers.size}`;
    const keys = browserKeys();
    const subscribed: Subscribed = { keys, pushes: [], answer: taken };
    browsers.set(path, subscribed);
    const { pushes } = subscribed;
    return {
      subscription: { endpoint: origin + path, keys: keys.keys },
      pushes,
      async push(index) {
        for (;;) {
          const push = pushes[index];
          if (push) return push;
          await once(news, "request");
          assert.deepEqual(faults, []);
        }
      },
      respond(status, headers = {}) {
        subscribed.answer = (response) => void response.writeHead(status, headers).end();
      },
      hang() {
        subscribed.answer = () => {};
      },
      reset() {
        subscribed.answer = (response) => void response.destroy();
      },
      recover() {
        subscribed.answer = taken;
      },
    };
  }

  return {
    /** For PUSH_HOSTS. */
    host: "127.0.0.1",
    browser,
    /** Ends the service. Fails if it got anything that is not a push. */
    close() {
      server.closeAllConnections();
      server.close();
      assert.deepEqual(faults, []);
    },
  };
}
