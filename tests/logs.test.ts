// What an operator sees: one log line per connection, refusal, send, failed request and fault, without any
// secrets.

import assert from "node:assert/strict";
import test, { afterEach } from "node:test";
import { unstable_readConfig } from "wrangler";

import { inRoot } from "../scripts/lib/project.mjs";
import {
  closeAll,
  connect,
  contractor,
  refusal,
  request,
  sendText,
  until,
  upgraded,
} from "./support/clients.ts";
import type { ClientOptions } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";

afterEach(closeAll);

const dataset = '\n[[analytics_engine_datasets]]\nbinding = "ANALYTICS"\ndataset = "switchboard"\n';

/** Exercises every kind of log line. Returns what was logged. */
async function session(vars: Record<string, string | number>, options: { config?: string } = {}) {
  const server = await createDevServer(vars, options);
  try {
    await server.start();
    server.addUsers(["quiet-customer"]);
    const sender = await contractor(server, "loud-contractor");
    const poller = await connect(server, "polling-customer", { transports: ["polling"] });
    await sendText(sender, ["quiet-customer", "nobody"], "a very private text");
    await refusal(sender, "mark_as_read", { conversationId: "none-of-yours", upTo: "x" });
    await refusal(sender, "an event that somebody made up", {});
    const token = server.token("polling-customer");
    await upgraded(sender);
    sender.close();
    poller.close();
    const closed = () => server.logged("connection_closed");
    await until(() => closed().length === 2, "both ends");
    const lines = ["connection_opened", "send_bulk_message", "request_failed"].map((what) =>
      server.logged(what),
    );
    return { lines: [...lines, closed()], output: server.output(), token };
  } finally {
    closeAll();
    await server.close();
  }
}

test("one line each, with hashed user ids, with and without a dataset", async () => {
  for (const options of [{}, { config: dataset }]) {
    const { lines, output, token } = await session({}, options);
    const [opened, sent, failed, closed] = lines;
    const [sender, poller] = opened;
    assert.match(sender.user, /^[0-9a-f]{16}$/);
    assert.notEqual(poller.user, sender.user);
    const { user } = sender;
    const base = { level: "info", user };
    assert.equal(poller.transport, "polling");
    // The default client connects while polling, so its line says so, too.
    assert.deepEqual(sender, {
      ...base,
      what: "connection_opened",
      transport: "polling",
      recovered: false,
      connections: 1,
    });
    const [{ commitMs, fanOutMs, ...figures }] = sent;
    assert.ok(commitMs >= 0 && fanOutMs >= 0);
    assert.deepEqual(figures, {
      ...base,
      what: "send_bulk_message",
      receivers: 2,
      delivered: 0,
      failed: 0,
      refused: 1,
      d1RoundTrips: 1,
      d1RowsWritten: 3,
      objectRequests: 1,
    });
    assert.deepEqual(failed, [
      { ...base, what: "request_failed", event: "mark_as_read", code: "invalid_payload" },
      { ...base, what: "request_failed", event: "unknown", code: "unknown_event" },
    ]);
    const ends = closed.map(({ transport, reason, seconds }) => {
      assert.ok(seconds >= 0 && seconds < 60);
      return [transport, reason];
    });
    assert.deepEqual(ends.sort(), [
      ["polling", "client_closed"],
      ["websocket", "client_closed"],
    ]);
    for (const secret of [
      "private text",
      "loud-contractor",
      "polling-customer",
      "quiet-customer",
      "made up",
      token.split(".").at(-1) ?? "",
    ]) {
      assert.ok(!output.includes(secret), secret);
    }
    assert.ok(!output.includes('"level":"error"'), output);
  }
});

test("Workers Logs stores the lines, but no line per invocation and no query string", () => {
  const { observability } = unstable_readConfig({ config: inRoot("wrangler.toml") });
  assert.equal(observability?.enabled, true);
  assert.equal(observability?.redact_query_string, true);
  assert.equal(observability?.logs?.invocation_logs, false);
});

test("a relayed WebSocket may use as much CPU time as the plan permits", () => {
  const { limits } = unstable_readConfig({ config: inRoot("wrangler.toml") });
  assert.equal(limits?.cpu_ms, 300_000);
});

test("plain user ids if configured", async () => {
  const { lines } = await session({ LOG_USER_IDS: "plain" }, {});
  const [opened] = lines;
  const users = opened.map(({ user }) => user).sort();
  assert.deepEqual(users, ["loud-contractor", "polling-customer"]);
});

test("refused clients and the reasons, for every way to connect", async () => {
  const server = await createDevServer({ LOG_USER_IDS: "plain", MAX_CONNECTIONS_PER_USER: 1 });
  try {
    await server.start();
    const refused = async (options: ClientOptions, token?: string) => {
      const auth = token === undefined ? {} : { auth: { token } };
      await assert.rejects(connect(server, "late", { ...options, ...auth }));
    };
    const expired = server.token("late", { exp: 1_000_000_000 });
    await refused({ transports: ["websocket"] }, expired);
    await refused({ transports: ["polling"] }, "not.a.token");
    await connect(server, "late", { transports: ["websocket"] });
    await refused({ transports: ["websocket"] });
    const response = await fetch(`${server.url}/v1/users/late/status`);
    assert.equal(response.status, 401);

    const lines = () => ["connection_refused", "request_failed"].flatMap(server.logged);
    await until(() => lines().length === 4, "a line each");
    const base = { level: "info", user: null };
    assert.deepEqual(lines(), [
      { ...base, what: "connection_refused", transport: "websocket", code: "token_expired" },
      { ...base, what: "connection_refused", transport: "polling", code: "unauthorized" },
      {
        ...base,
        user: "late",
        what: "connection_refused",
        transport: "websocket",
        code: "too_many",
      },
      {
        ...base,
        what: "request_failed",
        event: "GET /v1/users/{id}/status",
        code: "unauthorized",
      },
    ]);
  } finally {
    closeAll();
    await server.close();
  }
});
