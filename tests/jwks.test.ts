// Tokens that are signed with an issuer's private keys: which are accepted, and what the issuer's failures mean.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import test, { after, afterEach, before } from "node:test";

import { closeAll, connect, next, optionsOf, statusOf, until, ways } from "./support/clients.ts";
import type { Host, Refused } from "./support/clients.ts";
import { Wire, openSession, openWire, poll, post, probingWire } from "./support/fixture.ts";
import { issue, issuerKey, startIssuer } from "./support/issuer.ts";
import type { Issuer, IssuerKey } from "./support/issuer.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PATH = "/socket.io";

const rsa = issuerKey("RS256", "rsa");
const ec = issuerKey("ES256", "ec");
const ed = issuerKey("EdDSA", "ed");
const all = [rsa, ec, ed];

/** Only the issuer signs tokens. */
const withoutSecret = { JWT_SECRET: "", API_KEY: "what session ids are signed with instead" };

/** Trusts all of these keys. */
let server: Server;
let issuer: Issuer;
before(async () => {
  issuer = await startIssuer(all);
  server = await startServer({ vars: { JWKS_URL: issuer.url }, secrets: withoutSecret });
});
afterEach(closeAll);
after(async () => {
  await server.close();
  issuer.close();
});

interface Settings {
  vars?: Record<string, string | number>;
  keys?: IssuerKey[];
}

/** Serves the product and an issuer of their own, without a JWT_SECRET. */
async function withIssuer(
  { vars = {}, keys = all }: Settings,
  act: (server: Server, issuer: Issuer) => Promise<void>,
) {
  const issuer = await startIssuer(keys);
  const server = await startServer({
    vars: { JWKS_URL: issuer.url, ...vars },
    secrets: withoutSecret,
  });
  try {
    await act(server, issuer);
  } finally {
    closeAll();
    await server.close();
    issuer.close();
  }
}

/** The server, for clients whose tokens are signed with this key. */
const hostFor = ({ url }: Server, key: IssuerKey): Host => ({
  url,
  token: (sub, claims) => issue(key, sub, claims),
});

/** Connects with this token. Returns null, or the code of the refusal. */
const codeOf = ({ url }: Server, token: string) =>
  connect({ url, token: () => token }, "", { transports: ["websocket"] }).then(
    (socket) => {
      socket.close();
      return null;
    },
    (error: Refused) => error.data.code,
  );

test("every algorithm, every way to connect", async () => {
  for (const key of all) {
    for (const way of ways) {
      const host = hostFor(server, key);
      const socket = await connect(host, "user", optionsOf(way, host, "user"));
      assert.equal((await statusOf(socket, "user")).isOnline, true);
    }
  }
  assert.equal(issuer.fetches(), 1);
});

test("keys in the configuration, beside a secret", async () => {
  const JWKS = JSON.stringify({ keys: all.map(({ jwk }) => jwk) });
  const server = await startServer({ vars: { JWKS } });
  for (const key of all) assert.equal(await codeOf(server, issue(key, "user")), null);
  assert.equal(await codeOf(server, server.token("user")), null);
  assert.equal(await codeOf(server, issue(issuerKey("ES256", "ec"), "user")), "unauthorized");
  await server.close();
});

test("whatever does not fit its key is unauthorized", async () => {
  const short = issuerKey("RS256", "short", 1024);
  const twins = [issuerKey("ES256", "twin"), issuerKey("ES256", "twin")];
  const leaked = issuerKey("EdDSA", "leaked");
  leaked.jwk = { ...leaked.privateKey.export({ format: "jwk" }), kid: "leaked" };
  const encrypting = issuerKey("RS256", "encrypting");
  encrypting.jwk.use = "enc";
  const shared = Buffer.from("a secret that is shared by mistake, of 48 bytes…").toString(
    "base64url",
  );
  const oct = { ...rsa, jwk: { kty: "oct", kid: "oct", k: shared } };
  const keys = [...all, short, ...twins, leaked, encrypting, oct];
  /** Signs by HS256 with something that is public. */
  const hs256 = (secret: string | Buffer, header: object) => {
    const [, claims] = issue(rsa, "user").split(".");
    const signed = `${Buffer.from(JSON.stringify(header)).toString("base64url")}.${claims}`;
    return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
  };
  const [header, claims, signature] = issue(ec, "user").split(".");
  const other = Buffer.from(JSON.stringify({ sub: "admin", exp: 4e9 })).toString("base64url");
  const tokens: Record<string, string> = {
    "another's key with the same id": issue(issuerKey("RS256", "rsa"), "user"),
    "another algorithm than the key's": issue(ec, "user", {}, { kid: "rsa" }),
    "a key of another algorithm": issue(rsa, "user", {}, { alg: "ES256" }),
    "alg none": `${issue(rsa, "user", {}, { alg: "none" }).split(".").slice(0, 2).join(".")}.`,
    "alg none with a signature": issue(rsa, "user", {}, { alg: "none" }),
    "an algorithm that is not served": issue(rsa, "user", {}, { alg: "RS512" }),
    "a critical extension": issue(rsa, "user", {}, { crit: ["exp"] }),
    "no key id": issue(rsa, "user", {}, { kid: undefined }),
    "an unknown key id": issue(rsa, "user", {}, { kid: "unknown" }),
    "a key of 1,024 bits": issue(short, "user"),
    "an ambiguous key id": issue(twins[0], "user"),
    "a private key that was published": issue(leaked, "user"),
    "a key for encryption": issue(encrypting, "user"),
    "a symmetric key": hs256(Buffer.from(shared, "base64url"), { alg: "HS256", kid: "oct" }),
    "the public key as a secret": hs256(JSON.stringify(rsa.jwk), { alg: "HS256", kid: "rsa" }),
    "an empty secret": hs256("", { alg: "HS256", kid: "rsa" }),
    "other claims": `${header}.${other}.${signature}`,
    "a signature that is cut off": `${header}.${claims}.${signature.slice(0, 80)}`,
    "a key in the header": issue({ ...ed, kid: "own" }, "user", {}, { jwk: ed.jwk }),
    "a place of keys in the header": issue({ ...ed, kid: "own" }, "user", {}, { jku: "http://x/" }),
  };
  await withIssuer({ keys }, async (server) => {
    for (const [what, token] of Object.entries(tokens)) {
      assert.equal(await codeOf(server, token), "unauthorized", what);
    }
    assert.equal(await codeOf(server, issue(ec, "user")), null);
  });
});

test("a rotation refuses nobody, and invented key ids do not reach the issuer", async () => {
  const [old, fresh] = [issuerKey("ES256", "old"), issuerKey("RS256", "fresh")];
  const pause = 1_000;
  await withIssuer({ keys: [old], vars: { JWKS_PAUSE_MS: pause } }, async (server, issuer) => {
    const begun = Date.now();
    const host = hostFor(server, old);
    const connected = await Promise.all(
      ["a", "b", "c", "d"].map((user) => connect(host, user, { transports: ["websocket"] })),
    );
    assert.equal(issuer.fetches(), 1, "all of them wait for the same fetch");
    const invented = () => issue(old, "x", {}, { kid: crypto.randomUUID() });
    for (let i = 0; i < 10; i += 1) assert.equal(await codeOf(server, invented()), "unauthorized");
    const fetches = issuer.fetches();
    assert.ok(fetches <= 1 + (Date.now() - begun) / pause, `${fetches} fetches`);

    // The issuer publishes the new key beside the old one, and signs with it.
    issuer.publish(old, fresh);
    await until(() => Date.now() > begun + pause * (fetches + 1), "the pause");
    const users = ["e", "f", "g"].flatMap((user) => [old, fresh].map((key) => issue(key, user)));
    const codes = await Promise.all(users.map((token) => codeOf(server, token)));
    assert.deepEqual(new Set(codes), new Set([null]));
    assert.equal(issuer.fetches(), fetches + 1);
    assert.ok(connected.every((socket) => socket.connected));
  });
});

const outages: [fail: (issuer: Issuer) => void, logged: RegExp][] = [
  [(issuer) => issuer.respond(500, "{}"), /status 500/],
  [(issuer) => issuer.respond(200, "<html>"), /not a JSON Web Key Set/],
  [(issuer) => issuer.respond(200, '{"keys":[]}'), /no public key/],
  [(issuer) => issuer.respond(200, `{"keys":[${" ".repeat(5_000)}]}`), /more than 4000 bytes/],
  [(issuer) => void issuer.hang(), /timeout|timed out|aborted/i],
  [(issuer) => issuer.close(), /"detail":/],
];

test("while the issuer fails, its known keys count, and the log says so", async () => {
  const vars = {
    JWKS_REFRESH_MS: 100,
    JWKS_PAUSE_MS: 100,
    JWKS_TIMEOUT_MS: 300,
    JWKS_MAX_BYTES: 4_000,
  };
  await withIssuer({ vars }, async (server, issuer) => {
    assert.equal(await codeOf(server, issue(rsa, "user")), null);
    const lines = () => server.logs().filter((line) => line.includes('"what":"jwks"'));
    for (const [fail, expected] of outages) {
      const before = lines().length;
      fail(issuer);
      const line = await until(async () => {
        assert.equal(await codeOf(server, issue(ec, "user")), null, String(expected));
        return lines()
          .slice(before)
          .find((line) => expected.test(line));
      }, `a line in the log, ${expected}`);
      assert.match(line, /the known keys count for 1439 more minutes/);
      // Nobody can say whether the issuer has such a key by now.
      assert.equal(await codeOf(server, issue(issuerKey("EdDSA", "new"), "user")), "unavailable");
    }
  });
});

test("keys that are too old count no longer, and an issuer that is back is asked again", async () => {
  const vars = { JWKS_REFRESH_MS: 100, JWKS_PAUSE_MS: 100, JWKS_KEEP_MS: 500 };
  await withIssuer({ vars }, async (server, issuer) => {
    issuer.respond(503, "");
    assert.equal(await codeOf(server, issue(rsa, "user")), "unavailable");
    const response = await fetch(`${server.url}/v1/users/user/status`, {
      headers: { Authorization: `Bearer ${issue(rsa, "backend", { aud: "switchboard" })}` },
    });
    assert.equal(response.status, 503);
    issuer.publish(rsa);
    const code = (expected: string | null) =>
      until(async () => (await codeOf(server, issue(rsa, "user"))) === expected, String(expected));
    await code(null);
    issuer.respond(503, "");
    await code("unavailable");
    issuer.publish(ec);
    await code("unauthorized");
  });
});

test("a client that renews its token on the same connection stays in order", async () => {
  const wire = new Wire(server, PATH);
  await wire.next();
  const connectWith = (token: string) => `40${JSON.stringify({ token })}`;
  const status = (ack: number) => `42${ack}["get_online_status",{"userId":"user"}]`;
  wire.send(connectWith(issue(rsa, "user")));
  assert.match(String(await wire.next()), /^40/);
  // The events that follow each CONNECT wait for the check of its signature.
  for (const key of [ec, ed, rsa]) {
    wire.send("41");
    wire.send(connectWith(issue(key, "user")));
    for (const ack of [1, 2, 3]) wire.send(status(ack));
    assert.match(String(await wire.next()), /^40/);
    const order: string[] = [];
    while (order.length < 3) {
      const message = String(await wire.next());
      if (message.startsWith("43")) order.push(message.slice(0, 3));
    }
    assert.deepEqual(order, ["431", "432", "433"]);
  }
  // A CONNECT that is refused is followed by the next one.
  wire.send("41");
  wire.send(connectWith(issue(issuerKey("ES256", "ec"), "user")));
  wire.send(connectWith(issue(ec, "user")));
  assert.match(String(await wire.next()), /^44\{"message":"The token is not valid"/);
  assert.match(String(await wire.next()), /^40/);
  await wire.close();
});

test("polling: a refused CONNECT is followed by the next one", async () => {
  const sid = await openSession(server, PATH);
  const forged = issue(issuerKey("ES256", "ec"), "user");
  await post(server, PATH, sid, `40${JSON.stringify({ token: forged })}`);
  assert.match((await poll(server, PATH, sid))[1], /^44\{/);
  await post(server, PATH, sid, `40${JSON.stringify({ token: issue(ec, "user") })}`);
  assert.match((await poll(server, PATH, sid))[1], /^40\{/);
});

test("a WebSocket that upgrades during the check of a CONNECT waits for it", async () => {
  for (const key of [ec, issuerKey("ES256", "ec")]) {
    await withIssuer({}, async (server, issuer) => {
      const answer = issuer.hang();
      const sid = await openSession(server, PATH);
      const connectWith = (key: IssuerKey) => `40${JSON.stringify({ token: issue(key, "user") })}`;
      const posted = post(server, PATH, sid, connectWith(key));
      await until(() => issuer.fetches() === 1, "the fetch");
      const wire = await probingWire(server, PATH, sid);
      wire.send("5");
      answer(ec);
      assert.deepEqual(await posted, [200, "ok"]);
      if (key !== ec) {
        assert.match(await wire.next(), /^44\{/);
        wire.send(connectWith(ec));
      }
      assert.match(await wire.next(), /^40\{/);
      await wire.close();
    });
  }
});

test("an upgrade in the middle of another CONNECT's check makes the client reconnect", async () => {
  await withIssuer({ keys: [rsa], vars: { JWKS_PAUSE_MS: 100 } }, async (server, issuer) => {
    const sid = await openSession(server, PATH);
    const connectWith = (key: IssuerKey) => `40${JSON.stringify({ token: issue(key, "user") })}`;
    await post(server, PATH, sid, connectWith(rsa));
    assert.match((await poll(server, PATH, sid))[1], /^40\{/);
    const wire = await probingWire(server, PATH, sid);
    const answer = issuer.hang();
    const joinedAt = Date.now();
    await until(() => Date.now() > joinedAt + 100, "the pause between fetches");
    await post(server, PATH, sid, `41\x1e${connectWith(ec)}`);
    await until(() => issuer.fetches() === 2, "the fetch");
    wire.send("5");
    // The session is not ready to be taken over: a close without a code, after which clients reconnect.
    assert.equal((await wire.closed).code, 1005);
    answer(rsa, ec);
    assert.equal(await codeOf(server, issue(ec, "user")), null);
  });
});

test("a client whose CONNECTs are refused again and again is disconnected", async () => {
  const wire = new Wire(server, PATH, undefined, { token: issue(ec, "user") });
  assert.match(await wire.next(), /^0\{/);
  const forged = issue(issuerKey("ES256", "ec"), "user");
  // All of them wait for the first one's check.
  for (let count = 0; count < 12; count++) wire.send(`40${JSON.stringify({ token: forged })}`);
  assert.equal((await wire.closed).code, 1008);
});

test("small frames behind a CONNECT that is checked are bounded in number", async () => {
  await withIssuer({ keys: [ec], vars: { JWKS_PAUSE_MS: 100 } }, async (server, issuer) => {
    const wire = new Wire(server, PATH, undefined, { token: issue(ec, "user") });
    assert.match(await wire.next(), /^0\{/);
    const openedAt = Date.now();
    await until(() => Date.now() > openedAt + 100, "the pause between fetches");
    issuer.hang();
    wire.send(`40${JSON.stringify({ token: issue(rsa, "user") })}`);
    for (let count = 0; count < 1_100; count++) wire.send("6");
    assert.equal((await wire.closed).code, 1008);
  });
});

test("what a stranger sends while the issuer does not answer is bounded", async () => {
  const vars = { MAX_PAYLOAD_BYTES: 20_000, JWKS_TIMEOUT_MS: 1_000 };
  await withIssuer({ vars }, async (server, issuer) => {
    issuer.hang();
    const wire = await openWire(server, PATH);
    wire.send(`40${JSON.stringify({ token: issue(ec, "user") })}`);
    for (let count = 0; count < 10; count++) wire.send(`6${"x".repeat(10_000)}`);
    assert.equal((await wire.closed).code, 1009);
  });
});

test("the claims that are configured must hold", async () => {
  const vars = {
    JWT_ISSUER: "https://issuer.example/",
    JWT_AUDIENCE: "market",
    JWT_ROLE_CLAIM: "https://market.example/roles",
    JWT_MAX_AGE: 60,
  };
  const now = Math.floor(Date.now() / 1000);
  const good = {
    iss: "https://issuer.example/",
    aud: ["market", "other"],
    iat: now,
    "https://market.example/roles": ["staff", "contractor"],
  };
  await withIssuer({ vars }, async (server) => {
    const check = (claims: object) => codeOf(server, issue(ed, "user", { ...good, ...claims }));
    assert.equal(await check({}), null);
    const row = await server.db.prepare("SELECT role FROM users WHERE user_id = 'user'").first();
    assert.deepEqual(row, { role: "contractor" });
    assert.equal(await check({ iss: "https://other.example/" }), "unauthorized");
    assert.equal(await check({ aud: "other" }), "unauthorized");
    assert.equal(await check({ aud: ["market", "switchboard"] }), "unauthorized");
    assert.equal(await check({ iat: undefined }), "unauthorized");
    assert.equal(await check({ iat: now - 91 }), "token_expired");

    // The age ends a connection, too.
    const token = issue(ed, "user", { ...good, iat: Math.floor(Date.now() / 1000) - 87 });
    const socket = await connect({ url: server.url, token: () => token }, "user");
    const [error] = await next(socket, "error");
    assert.equal(error.code, "token_expired");
  });
});

test("the issuer's tokens open the HTTP API by audience and scope", async () => {
  await server.addUser("served");
  const ask = async (claims: object) => {
    const headers = { Authorization: `Bearer ${issue(rsa, "backend", claims)}` };
    return (await fetch(`${server.url}/v1/users/served/status`, { headers })).status;
  };
  assert.equal(await ask({ aud: "switchboard", scope: "messages:read" }), 200);
  assert.equal(await ask({ aud: "switchboard", scope: "messages:send admin" }), 403);
  assert.equal(await ask({ aud: "market", scope: "messages:read" }), 403);
  assert.equal(await ask({ scope: "messages:read" }), 403);
  const forged = issue(issuerKey("RS256", "rsa"), "backend", {
    aud: "switchboard",
    scope: "admin",
  });
  const headers = { Authorization: `Bearer ${forged}` };
  assert.equal((await fetch(`${server.url}/v1/users/served/status`, { headers })).status, 401);
});
