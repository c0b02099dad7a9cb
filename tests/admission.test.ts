// How many connections there may be whose clients have not joined: per IP address, per user and per gateway.

import assert from "node:assert/strict";
import { once } from "node:events";
import test, { after, before } from "node:test";
import WebSocket from "ws";

import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";
import { until } from "./support/clients.ts";
import { Wire, openSession, poll, polling, post } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PATH = "/socket.io";
const MAX = 2;
/** The limit per address: so many in a period, which begins with the clock. */
const LIMIT = 10;
const PERIOD_MS = 10_000;
const CONNECT_TIMEOUT_MS = 1_500;

let server: DevServer;
let gateway: Server;
before(async () => {
  const edit = (toml: string) => toml.replace("limit = 500", `limit = ${LIMIT}`);
  server = await createDevServer({ MAX_UNJOINED_PER_USER: MAX }, { edit });
  const vars = { MAX_SESSIONS_PER_GATEWAY: MAX, POLLING_SHARDS: 1, CONNECT_TIMEOUT_MS };
  [gateway] = await Promise.all([startServer({ vars }), server.start()]);
});
after(() => Promise.all([server.close(), gateway.close()]));

/** Requests a handshake as if from this address. */
const shakeHands = (address: string, query = "") =>
  fetch(`${polling(server, PATH)}${query}`, { headers: { "CF-Connecting-IP": address } });

/** Returns the status with which a WebSocket from this address is answered; 101 if it opens. */
async function statusOfWebSocket(address: string, query = "") {
  const url = `${server.url.replace("http", "ws")}${PATH}/?EIO=4&transport=websocket${query}`;
  const socket = new WebSocket(url, { headers: { "CF-Connecting-IP": address } });
  socket.on("error", () => {});
  const opened = once(socket, "open").then(() => 101);
  const refused = once(socket, "unexpected-response").then(([, { statusCode }]) => statusCode);
  const status = await Promise.race([opened, refused]);
  socket.terminate();
  return status;
}

/** Opens more connections than the address may. Returns the first answer that refuses one. */
async function exhaust(address: string) {
  const all = Array.from({ length: 2 * LIMIT }, () => shakeHands(address));
  const answers = await Promise.all(all);
  const refused = answers.filter(({ status }) => status !== 200);
  assert.equal(refused.length, LIMIT);
  return refused[0];
}

const period = () => Math.floor(Date.now() / PERIOD_MS);

/** Runs `act`, and again for another address if a new period began meanwhile. */
async function withinPeriod(act: (address: number) => Promise<void>) {
  for (let address = 0; ; address++) {
    const begun = period();
    const failure = await act(address).then(
      () => null,
      (error: unknown) => error,
    );
    if (begun !== period()) continue;
    if (failure) throw failure;
    return;
  }
}

test("an address opens so many connections, over any transport; others are not affected", () =>
  withinPeriod(async (number) => {
    const address = `203.0.113.${number}`;
    const refused = await exhaust(address);
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get("Retry-After"), "10");
    assert.deepEqual(await refused.json(), { message: "Too many connections, please wait" });
    const token = `&token=${server.token("known")}`;
    assert.equal(await statusOfWebSocket(address), 429);
    assert.equal((await shakeHands(address, "&token=invalid")).status, 429);
    assert.equal((await shakeHands(address, token)).status, 200);
    assert.equal(await statusOfWebSocket(address, token), 101);
    assert.equal((await shakeHands("198.51.100.1")).status, 200);
  }));

test("a user opens so many connections, from whatever address; other users are not affected", () =>
  withinPeriod(async (number) => {
    const token = (name: string) => `&token=${server.token(`${name}${number}`)}`;
    const all = Array.from({ length: 2 * LIMIT }, (_, index) =>
      shakeHands(`198.51.100.${index + 2}`, token("greedy")),
    );
    const refused = (await Promise.all(all)).filter(({ status }) => status === 429);
    assert.equal(refused.length, LIMIT);
    assert.equal(await statusOfWebSocket("198.51.100.1", token("greedy")), 429);
    assert.equal(await statusOfWebSocket("198.51.100.1", token("modest")), 101);
  }));

test("an IPv6 network counts as one address", () =>
  withinPeriod(async (number) => {
    await exhaust(`2001:db8:1:${number}::1`);
    assert.equal((await shakeHands(`2001:db8:1:${number}:ffff::2`)).status, 429);
    assert.equal((await shakeHands("2001:db8:2::1")).status, 200);
  }));

test("without the binding nobody is limited, and the log says so", async () => {
  const withoutBinding = (toml: string) => toml.replace(/^\[\[ratelimits\]\]\n(?:.+\n)*/m, "");
  const bare: DevServer = await createDevServer({}, { edit: withoutBinding });
  try {
    await bare.start();
    const headers = { "CF-Connecting-IP": "203.0.113.7" };
    for (let count = 0; count < 3; count++) {
      assert.equal((await fetch(polling(bare, PATH), { headers })).status, 200);
    }
    await until(() => bare.logged("rate limit").length > 0, "the line");
    const [line, ...more] = bare.logged("rate limit");
    assert.match(line.detail, /^HANDSHAKES_PER_ADDRESS is not bound/);
    assert.deepEqual(more, []);
  } finally {
    await bare.close();
  }
});

test("a user's connections that have not joined: one more closes the oldest", async () => {
  const token = server.token("slow");
  const open = async () => {
    const wire = new Wire(server, PATH, undefined, { token });
    assert.match(await wire.next(), /^0\{/);
    return wire;
  };
  const joined = await open();
  joined.send("40");
  assert.match(await joined.next(), /^40\{/);
  const first = await open();
  const second = await open();
  const third = await open();
  // The runtime ends the TCP connection, for which the `close` event waits, only when the object hibernates.
  await until(() => first.socket.readyState !== WebSocket.OPEN, "the close frame");
  for (const wire of [second, third]) {
    wire.send("40");
    assert.match(await wire.next(), /^40\{/);
  }
  joined.send('421["get_online_status",{"userId":"slow"}]');
  assert.match(await joined.next(), /"connectionCount":3/);
});

test("a gateway's sessions: one more is unknown, until others have ended", async () => {
  const isKnown = async () => {
    const sid = await openSession(gateway, PATH);
    return (await post(gateway, PATH, sid, "3"))[0] === 200;
  };
  assert.deepEqual([await isKnown(), await isKnown()], [true, true]);
  const sid = await openSession(gateway, PATH);
  assert.deepEqual(await poll(gateway, PATH, sid), [
    400,
    '{"code":1,"message":"Session ID unknown"}',
  ]);
  await until(isKnown, "room", 4 * CONNECT_TIMEOUT_MS);
});
