// Which tokens are accepted, and what refused clients are told.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import test, { after, afterEach, before } from "node:test";

import { closeAll, connect, next, statusOf, transportSettings } from "./support/clients.ts";
import type { Refused } from "./support/clients.ts";
import { Wire, openSession, poll, post } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PATH = "/socket.io";

let server: Server;
before(async () => {
  server = await startServer();
});
afterEach(closeAll);
after(() => server.close());

const seconds = (offset: number) => Math.floor(Date.now() / 1000) + offset;

function signed(header: object, claims: object, secret = server.secret, hash = "sha256") {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${encode(header)}.${encode(claims)}`;
  return `${text}.${createHmac(hash, secret).update(text).digest("base64url")}`;
}

type Answer = [code: string, message: string];

const good = () => ({ sub: "someone", exp: seconds(60) });
const invalid: Answer = ["unauthorized", "The token is not valid"];
const badSubject: Answer = [
  "unauthorized",
  "The token's sub must be 1 to 128 characters, without control characters",
];

const refused: Record<string, [token: () => string | undefined, answer: Answer]> = {
  "no token": [
    () => undefined,
    [
      "unauthorized",
      "No token: send one as auth.token, in the URL as ?token=, or in an Authorization header",
    ],
  ],
  garbage: [() => "garbage", invalid],
  "a signature of somebody else's": [
    () => signed({ alg: "HS256" }, good(), "another secret that is long enough"),
    invalid,
  ],
  "alg none": [() => signed({ alg: "none" }, good()), invalid],
  "another algorithm": [() => signed({ alg: "HS512" }, good(), server.secret, "sha512"), invalid],
  expired: [
    () => server.token("someone", { exp: seconds(-31) }),
    ["token_expired", "The token has expired"],
  ],
  "not valid yet": [
    () => server.token("someone", { nbf: seconds(60) }),
    ["unauthorized", "The token is not valid yet"],
  ],
  "an exp in milliseconds": [
    () => server.token("someone", { exp: Date.now() + 3_600_000 }),
    ["unauthorized", "The token's exp and nbf must be in seconds, not in milliseconds"],
  ],
  "no exp": [
    () => server.token("someone", { exp: undefined }),
    ["unauthorized", "The token has no exp claim"],
  ],
  "no sub": [() => server.token(undefined as unknown as string), badSubject],
  "a sub with a line break": [() => server.token("a\nb"), badSubject],
  "a sub that is too long": [() => server.token("x".repeat(129)), badSubject],
};

for (const [what, [token, [code, message]]] of Object.entries(refused)) {
  test(`refused: ${what}`, async () => {
    for (const options of Object.values(transportSettings)) {
      const auth = { token: token() };
      await assert.rejects(connect(server, "", { ...options, auth }), (error: Refused) => {
        assert.equal(error.message, message);
        assert.deepEqual(error.data, { code });
        return true;
      });
    }
  });
}

test("a user id may contain any Unicode", async () => {
  for (const userId of ["ü 字/1?&=#", "🙂".repeat(128)]) {
    const socket = await connect(server, userId);
    assert.equal((await statusOf(socket, userId)).connectionCount, 1);
  }
});

for (const [name, options] of Object.entries(transportSettings)) {
  test(`the token in the URL or the header, ${name}`, async () => {
    const token = server.token("elsewhere");
    const extraHeaders = { Authorization: `Bearer ${token}` };
    for (const place of [{ query: { token } }, { extraHeaders }]) {
      const socket = await connect(server, "", { ...options, ...place, auth: {} });
      assert.equal((await statusOf(socket, "elsewhere")).isOnline, true);
    }
  });
}

test("exp may be extremely large or fractional", async () => {
  const far = [253_402_300_799, 8_210_266_876_800, Number.MAX_SAFE_INTEGER, 1e300];
  for (const exp of [...far, seconds(60) + 0.5]) {
    for (const options of Object.values(transportSettings)) {
      const socket = await connect(server, "forever", { ...options, claims: { exp } });
      assert.equal((await statusOf(socket, "forever")).isOnline, true);
    }
  }
});

test("the header's scheme is case-insensitive", async () => {
  for (const scheme of ["bearer", "BEARER"]) {
    const extraHeaders = { Authorization: `${scheme} ${server.token("any-case")}` };
    for (const options of Object.values(transportSettings)) {
      const socket = await connect(server, "", { ...options, extraHeaders, auth: {} });
      assert.equal((await statusOf(socket, "any-case")).isOnline, true);
    }
  }
});

test("a bad token in the URL is reported in the reply to the CONNECT", async () => {
  const query = { token: server.token("late", { exp: seconds(-60) }) };
  await assert.rejects(connect(server, "", { query, auth: {}, transports: ["websocket"] }), {
    message: "The token has expired",
  });
});

test("after a refusal the client may retry on the same connection", async () => {
  const wire = new Wire(server, PATH);
  await wire.next();
  wire.send('40{"token":"bad"}');
  assert.match(await wire.next(), /^44\{"message":"The token is not valid"/);
  wire.send(`40${JSON.stringify({ token: server.token("retry") })}`);
  assert.match(await wire.next(), /^40\{"pid":"[^"]+","sid":"[^"]+"\}$/);
  await wire.close();

  const sid = await openSession(server, PATH);
  await post(server, PATH, sid, '40{"token":"bad"}');
  assert.match((await poll(server, PATH, sid))[1], /^44\{/);
  await post(server, PATH, sid, `40${JSON.stringify({ token: server.token("retry") })}`);
  assert.match((await poll(server, PATH, sid))[1], /^40\{/);
});

test("a CONNECT for another user than the URL's is refused, once, and says why", async () => {
  const options = { transports: ["websocket"], query: { token: server.token("first") } };
  const refused = connect(server, "second", { ...options, reconnection: true });
  await assert.rejects(refused, (error: Refused) => {
    assert.equal(error.data.code, "other_user");
    assert.match(error.message, /another user/);
    return true;
  });
  // With tokens of one user in both places, the same client connects.
  const socket = await connect(server, "first", options);
  const { opts } = socket.io as unknown as { opts: { query: object } };
  socket.disconnect();
  opts.query = { token: server.token("second") };
  socket.auth = { token: server.token("second") };
  socket.connect();
  await next(socket, "connect");
  assert.equal((await statusOf(socket, "second")).connectionCount, 1);
  assert.equal((await statusOf(socket, "first")).isOnline, false);
});

test("after a disconnect, a CONNECT for another user makes the client reconnect", async () => {
  const wire = new Wire(server, PATH);
  await wire.next();
  wire.send(`40${JSON.stringify({ token: server.token("first") })}`);
  assert.match(await wire.next(), /^40/);
  wire.send("41");
  wire.send(`40${JSON.stringify({ token: server.token("second") })}`);
  const { code, reason } = await wire.closed;
  assert.deepEqual([code, reason], [1000, "connect again for another user"]);
});

test("a token that expires ends its connection", async () => {
  const socket = await connect(server, "expiring", { claims: { exp: seconds(-28) } });
  const gone = next(socket, "disconnect");
  assert.deepEqual(await next(socket, "error"), [
    { code: "token_expired", message: "The token has expired", event: null },
  ]);
  assert.equal((await gone)[0], "transport close");
});

test("the first connect adds the user; after that the database decides", async () => {
  const row = () => server.db.prepare("SELECT role, name FROM users WHERE user_id = 'new'").first();
  await connect(server, "new", { claims: { role: "contractor", name: "Ann" } });
  assert.deepEqual(await row(), { role: "contractor", name: "Ann" });
  await connect(server, "new", { claims: { role: "customer", name: "Bob" } });
  assert.deepEqual(await row(), { role: "contractor", name: "Ann" });
  await connect(server, "plain");
  const plain = server.db.prepare("SELECT role, name FROM users WHERE user_id = 'plain'");
  assert.deepEqual(await plain.first(), { role: "customer", name: null });
});
