// A client that cannot connect is told why, or retries with pauses and reports each attempt: it never loops
// silently. The tests count its attempts.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { io } from "socket.io-client";
import type { Socket } from "socket.io-client";

import * as client from "./support/clients.ts";
import type { ClientOptions, Host } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";
import { Wire, openSession, poll, post } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PATH = "/socket.io";
const MAX_PAYLOAD = 10_000;
const CONNECT_TIMEOUT = 1_500;

let server: Server;
before(async () => {
  server = await startServer({
    vars: { MAX_PAYLOAD_BYTES: `${MAX_PAYLOAD}`, CONNECT_TIMEOUT_MS: `${CONNECT_TIMEOUT}` },
  });
});

const sockets = new Set<Socket>();
after(async () => {
  client.closeAll();
  for (const socket of sockets) socket.close();
  await server.close();
});

type Seen = { event: string; message: string; code?: string; closedBy?: number };

/** Starts an app that reconnects much faster than the library's default. */
function app(host: Host, options: ClientOptions) {
  const socket = io(host.url, { forceNew: true, reconnectionDelay: 100, ...options });
  sockets.add(socket);
  const seen: Seen[] = [];
  const tries = { count: 0 };
  socket.io.on("reconnect_attempt", () => tries.count++);
  socket.on("connect", () => seen.push({ event: "connect", message: "" }));
  socket.on("connect_error", (error) => {
    const { data } = error as client.Refused;
    seen.push({ event: "connect_error", message: error.message, code: data?.code });
  });
  socket.on("disconnect", (reason, details) => {
    const closedBy = (details as { context?: { code: number } } | undefined)?.context?.code;
    seen.push({ event: "disconnect", message: reason, closedBy });
  });
  return { socket, seen, tries };
}

type App = ReturnType<typeof app>;

/** Long enough for about 30 attempts. */
const aWhile = () => pause(4_000);

/** Asserts that the app is told why, does not retry any more, and was told of every attempt before. */
async function isRefused({ socket, seen, tries }: App, code: string, mostTries = 0) {
  const refused = () => seen.find((one) => one.code === code);
  const { message } = await client.until(refused, `a refusal: ${code}`);
  const before = tries.count;
  assert.ok(before <= mostTries, `${before} tries`);
  await aWhile();
  assert.equal(tries.count, before);
  assert.equal(socket.active, false);
  assert.deepEqual(
    seen.filter(({ event }) => event === "connect"),
    [],
  );
  assert.ok(seen.length > tries.count, JSON.stringify(seen));
  return message;
}

const tokenOf = (userId: string) => server.token(userId);

const places: Record<string, (token: string) => ClientOptions> = {
  URL: (token) => ({ query: { token } }),
  header: (token) => ({ extraHeaders: { Authorization: `Bearer ${token}` } }),
};

for (const [place, options] of Object.entries(places)) {
  test(`the token of one user in the ${place}, of another in auth`, async () => {
    const auth = { token: tokenOf("second") };
    const mixed = app(server, { transports: ["websocket"], auth, ...options(tokenOf("first")) });
    assert.equal(
      await isRefused(mixed, "other_user"),
      "This connection is another user's: send the same user's token in auth and in the URL or " +
        "header, or in auth alone",
    );
    // Neither user is online.
    const observer = await client.connect(server, "observer");
    for (const userId of ["first", "second"]) {
      assert.equal((await client.statusOf(observer, userId)).isOnline, false);
    }
  });
}

test("a polling client, for which the token of the CONNECT decides", async () => {
  const mixed = { query: { token: tokenOf("first") }, auth: { token: tokenOf("second") } };
  const settings: ClientOptions[] = [{ transports: ["polling"] }, {}];
  for (const options of settings) {
    const socket = await client.connect(server, "", { ...mixed, ...options });
    if (options.transports === undefined) await client.upgraded(socket);
    assert.equal((await client.statusOf(socket, "second")).isOnline, true);
    assert.equal((await client.statusOf(socket, "first")).isOnline, false);
    socket.close();
  }
});

const connectAs = (userId: string) => `40${JSON.stringify({ token: tokenOf(userId) })}`;

test("after such a refusal, the right user may connect on the same connection", async () => {
  const wire = new Wire(server, PATH, undefined, { token: tokenOf("first") });
  assert.match(await wire.next(), /^0\{/);
  for (let tries = 0; tries < 3; tries++) {
    wire.send(connectAs("second"));
    assert.match(await wire.next(), /^44\{.*"data":\{"code":"other_user"\}\}$/);
  }
  wire.send(connectAs("first"));
  assert.match(await wire.next(), /^40\{/);
  // After it has joined, another user's CONNECT makes the client reconnect, so that it is routed again.
  wire.send("41", connectAs("second"));
  const { code, reason } = await wire.closed;
  assert.deepEqual([code, reason], [1000, "connect again for another user"]);
});

test("another user on the connection of a user who has left, through the relay", async () => {
  const wire = new Wire(server, PATH);
  assert.match(await wire.next(), /^0\{/);
  wire.send(connectAs("first"));
  assert.match(await wire.next(), /^40\{/);
  wire.send("41", connectAs("second"));
  assert.equal((await wire.closed).reason, "connect again for another user");
});

test("a CONNECT that is too large", async () => {
  const text = `A packet must not have more than ${MAX_PAYLOAD} bytes`;
  const auth = { token: tokenOf("large"), more: "x".repeat(MAX_PAYLOAD) };
  for (const query of [{}, { token: tokenOf("large") }]) {
    const large = app(server, { transports: ["websocket"], auth, query });
    assert.equal(await isRefused(large, "too_large"), text);
  }
});

test("a CONNECT that is too large, over polling: each attempt is reported", async () => {
  const auth = { token: tokenOf("large"), more: "x".repeat(MAX_PAYLOAD) };
  for (const transports of [["polling"], ["polling", "websocket"]]) {
    const { socket, seen, tries } = app(server, { transports, auth });
    await client.until(() => tries.count > 2, "three tries");
    const errors = seen.filter(({ event }) => event === "connect_error");
    assert.ok(errors.length >= tries.count - 1, JSON.stringify(seen));
    socket.close();
  }
});

test("an event that is too large closes a connection that has joined", async () => {
  const wire = new Wire(server, PATH, undefined, { token: tokenOf("joined") });
  assert.match(await wire.next(), /^0\{/);
  wire.send("40");
  assert.match(await wire.next(), /^40\{/);
  wire.send(`42["${"x".repeat(MAX_PAYLOAD)}"]`);
  assert.equal((await wire.closed).code, 1009);
});

test("a client that sends its CONNECT too late retries no faster than the timeout", async () => {
  // As if its token never arrived.
  const auth = () => {};
  for (const options of Object.values(client.transportSettings)) {
    const { socket, seen, tries } = app(server, { ...options, auth });
    await client.until(() => tries.count > 0, "a try");
    await aWhile();
    assert.ok(tries.count <= 1 + 4_000 / CONNECT_TIMEOUT, `${tries.count} tries`);
    const ends = seen.filter(({ event }) => event === "disconnect");
    assert.ok(ends.length >= tries.count, JSON.stringify(seen));
    socket.close();
  }
});

test("after too many refusals, the last one is reported, too", async () => {
  const wire = new Wire(server, PATH);
  assert.match(await wire.next(), /^0\{/);
  for (let refusals = 0; refusals < 11; refusals++) {
    wire.send("40/nowhere,");
    assert.match(await wire.next(), /^44\/nowhere,/);
  }
  assert.equal((await wire.closed).code, 1008);

  const sid = await openSession(server, PATH);
  for (let refusals = 0; refusals < 11; refusals++) {
    await post(server, PATH, sid, "40/nowhere,");
    assert.deepEqual(await poll(server, PATH, sid), [
      200,
      '44/nowhere,{"message":"Invalid namespace"}',
    ]);
  }
  assert.deepEqual(await poll(server, PATH, sid), [200, "1"]);
  assert.equal((await poll(server, PATH, sid))[0], 400);
});

test("faults on our side", { concurrency: true }, async (t) => {
  const dev = await createDevServer();
  await dev.start();
  const users = ["damaged", "damaged by itself", "unreachable"];
  for (const userId of users) await client.connect(dev, userId);
  client.closeAll();
  await dev.kill();
  // Two objects lack a column that a CONNECT reads; the third cannot even start.
  for (const userId of users.slice(0, 2)) {
    dev.damage(userId, "ALTER TABLE user_state RENAME COLUMN confirmed TO confirmed_once");
  }
  dev.ruin("unreachable");
  await dev.start();
  try {
    await Promise.all(
      client.ways.flatMap((way) => [
        t.test(`the object's storage fails, ${way}`, () => storageFails(dev, way)),
        t.test(`the object is unreachable, ${way}`, () => isNotReached(dev, way)),
      ]),
    );
    await t.test("the storage fails now and then", () => failsNowAndThen(dev));
  } finally {
    await dev.close();
  }
});

/** The client may retry a few times; then it is told to stop. */
async function storageFails(dev: DevServer, way: string) {
  const options = client.optionsOf(way, dev, "damaged");
  const failing = app(dev, { auth: { token: dev.token("damaged") }, ...options });
  assert.equal(
    await isRefused(failing, "unavailable", 4),
    "You could not be connected because of a fault on our side, please try again later",
  );
}

/** The client reconnects by itself with pauses, and each attempt is reported. */
async function isNotReached(dev: DevServer, way: string) {
  const options = client.optionsOf(way, dev, "unreachable");
  const auth = { token: dev.token("unreachable") };
  const { socket, seen, tries } = app(dev, { auth, ...options });
  await client.until(() => seen.length > 0, "an event");
  await aWhile();
  await aWhile();
  assert.ok(tries.count >= 1 && tries.count <= 8, `${tries.count} tries`);
  assert.ok(seen.length >= tries.count, JSON.stringify(seen));
  assert.equal(socket.active, true);
  socket.close();
  const closedBy = seen.flatMap((one) => one.closedBy ?? []);
  for (const code of closedBy) assert.ok([1005, 1012].includes(code), `${code}`);
}

/** After a single fault, the client just reconnects and is not told. */
async function failsNowAndThen(dev: DevServer) {
  const auth = { token: dev.token("damaged by itself") };
  const { socket, seen } = app(dev, { auth, transports: ["websocket"] });
  const first = await client.until(() => seen[0], "an event");
  socket.close();
  assert.deepEqual([first.event, first.closedBy], ["disconnect", 1012]);
}
