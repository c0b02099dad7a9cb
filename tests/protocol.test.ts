// Engine.IO v4 and Socket.IO v5 on the wire, tested against the fixture.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import {
  Wire,
  calm,
  joinedWire,
  openSession,
  openWire,
  poll,
  polling,
  post,
  probingWire,
  startFixture,
} from "./support/fixture.ts";
import type { Fixture } from "./support/fixture.ts";

const ENGINE = "/engine.io";
const SOCKET = "/socket.io";
const UNKNOWN = '{"code":1,"message":"Session ID unknown"}';

let server: Fixture;
/** Sends no pings during a test, so that whole bodies can be compared. */
let quiet: Fixture;
before(async () => {
  [server, quiet] = await Promise.all([startFixture(), startFixture(calm)]);
});
after(() => Promise.all([server.close(), quiet.close()]));

test("Engine.IO over polling", async (t) => {
  await t.test("a payload of several packets, text and binary, comes back in order", async () => {
    const sid = await openSession(quiet, ENGINE);
    const payload = "4one\x1e4two\x1ebAQIDBA==";
    assert.deepEqual(await post(quiet, ENGINE, sid, payload), [200, "ok"]);
    assert.deepEqual(await poll(quiet, ENGINE, sid), [200, payload]);
  });

  await t.test("pings wait for their pongs", async () => {
    const sid = await openSession(server, ENGINE);
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(await poll(server, ENGINE, sid), [200, "2"]);
      assert.deepEqual(await post(server, ENGINE, sid, "3"), [200, "ok"]);
    }
  });

  await t.test("a silent session times out", async () => {
    const sid = await openSession(server, ENGINE);
    // The timeout is under test: pingInterval + pingTimeout.
    await pause(500);
    assert.deepEqual(await poll(server, ENGINE, sid), [400, UNKNOWN]);
  });

  await t.test("a second GET closes the session", async () => {
    const sid = await openSession(quiet, ENGINE);
    const first = poll(quiet, ENGINE, sid);
    await pause(20); // so that they arrive in this order
    assert.equal((await poll(quiet, ENGINE, sid))[0], 400);
    assert.deepEqual(await first, [200, "1"]);
    assert.deepEqual(await poll(quiet, ENGINE, sid), [400, UNKNOWN]);
  });

  await t.test("a close packet ends the pending GET", async () => {
    const sid = await openSession(quiet, ENGINE);
    const waiting = poll(quiet, ENGINE, sid);
    assert.deepEqual(await post(quiet, ENGINE, sid, "1"), [200, "ok"]);
    assert.deepEqual(await waiting, [200, "6"]);
    assert.deepEqual(await poll(quiet, ENGINE, sid), [400, UNKNOWN]);
  });

  for (const bad of ["abc", "", "4a\x1e9"]) {
    await t.test(`an invalid payload closes the session: ${JSON.stringify(bad)}`, async () => {
      const sid = await openSession(quiet, ENGINE);
      assert.equal((await post(quiet, ENGINE, sid, bad))[0], 400);
      assert.deepEqual(await poll(quiet, ENGINE, sid), [400, UNKNOWN]);
    });
  }

  await t.test("a body over maxPayload is refused", async () => {
    const sid = await openSession(quiet, ENGINE);
    assert.equal((await post(quiet, ENGINE, sid, `4${"x".repeat(1_000_000)}`))[0], 413);
  });

  await t.test("invalid requests", async () => {
    const code = async (query: string, method = "GET") => {
      const response = await fetch(`${server.url}${ENGINE}/?${query}`, { method });
      return [response.status, (await response.json()).code];
    };
    assert.deepEqual(await code("EIO=4&transport=carrier-pigeon"), [400, 0]);
    assert.deepEqual(await code("EIO=4"), [400, 0]);
    assert.deepEqual(await code("EIO=4&transport=polling&sid=unknown"), [400, 1]);
    assert.deepEqual(await code("EIO=4&transport=polling", "POST"), [400, 2]);
    assert.deepEqual(await code("EIO=4&transport=polling", "PUT"), [400, 2]);
    assert.deepEqual(await code("EIO=4&transport=polling&j=0"), [400, 3]);
    assert.deepEqual(await code("EIO=4&transport=websocket"), [400, 3]);
    assert.deepEqual(await code("EIO=3&transport=polling"), [400, 5]);
    assert.deepEqual(await code("transport=polling"), [400, 5]);
  });
});

test("Engine.IO over WebSocket", async (t) => {
  await t.test("text and binary come back", async () => {
    const wire = await openWire(server, ENGINE);
    wire.send("4hello", Uint8Array.of(1, 2, 3));
    assert.equal(await wire.nextEvent(), "4hello");
    assert.deepEqual(await wire.nextEvent(), [1, 2, 3]);
    await wire.close();
  });

  await t.test("pings and pongs, and nothing else", async () => {
    const wire = await openWire(server, ENGINE);
    for (let i = 0; i < 3; i++) {
      assert.equal(await wire.next(), "2");
      wire.send("3");
    }
    await wire.close();
  });

  for (const frame of ["1", "abc", "", "2", "5", "0{}"]) {
    await t.test(`closed after ${JSON.stringify(frame)}`, async () => {
      const wire = await openWire(server, ENGINE);
      wire.send(frame);
      await wire.closed;
    });
  }

  await t.test("closed when it does not answer pings", async () => {
    const wire = await openWire(server, ENGINE);
    const from = Date.now();
    await wire.closed;
    assert.ok(Date.now() - from < 1_500);
  });
});

test("the upgrade", async (t) => {
  const probing = async () => {
    const sid = await openSession(quiet, ENGINE);
    return { sid, wire: await probingWire(quiet, ENGINE, sid) };
  };

  await t.test("ends GETs with a noop, then moves to the WebSocket", async () => {
    const { sid, wire } = await probing();
    assert.deepEqual(await poll(quiet, ENGINE, sid), [200, "6"]);
    wire.send("5", "4hello");
    assert.equal(await wire.nextEvent(), "4hello");
    await wire.close();
  });

  await t.test("packets queued for polling are sent first", async () => {
    const { sid, wire } = await probing();
    await post(quiet, ENGINE, sid, "4one\x1e4two");
    wire.send("5", "4three");
    assert.equal(await wire.nextEvent(), "4one");
    assert.equal(await wire.nextEvent(), "4two");
    assert.equal(await wire.nextEvent(), "4three");
    await wire.close();
  });

  await t.test("after it, polling is refused", async () => {
    const { sid, wire } = await probing();
    wire.send("5");
    assert.deepEqual(await poll(quiet, ENGINE, sid), [400, UNKNOWN]);
    assert.deepEqual(await post(quiet, ENGINE, sid, "4a"), [400, UNKNOWN]);
    wire.send("4hello");
    assert.equal(await wire.nextEvent(), "4hello");
    await wire.close();
  });

  await t.test("a GET sent right after probe and upgrade is refused", async () => {
    const sid = await openSession(quiet, ENGINE);
    const wire = new Wire(quiet, ENGINE, sid);
    await wire.opened;
    wire.send("2probe", "5");
    assert.deepEqual(await poll(quiet, ENGINE, sid), [400, UNKNOWN]);
    await wire.close();
  });

  await t.test("a late second WebSocket is accepted and closed", async () => {
    const { sid, wire } = await probing();
    wire.send("5");
    const late = new Wire(quiet, ENGINE, sid);
    await late.opened;
    await late.closed;
    wire.send("4hello");
    assert.equal(await wire.nextEvent(), "4hello");
    await wire.close();
  });

  await t.test("a second WebSocket while one probes is accepted and closed", async () => {
    const { sid, wire } = await probing();
    const second = new Wire(quiet, ENGINE, sid);
    await second.opened;
    await second.closed;
    wire.send("5", "4hello");
    assert.equal(await wire.nextEvent(), "4hello");
    await wire.close();
  });

  for (const garbage of ["4hello", "abc", "2"]) {
    await t.test(`polling continues after a failed probe (${garbage})`, async () => {
      const sid = await openSession(quiet, ENGINE);
      const wire = new Wire(quiet, ENGINE, sid);
      await wire.opened;
      wire.send(garbage);
      await wire.closed;
      await post(quiet, ENGINE, sid, "4hello");
      assert.deepEqual(await poll(quiet, ENGINE, sid), [200, "4hello"]);
    });
  }

  await t.test("polling continues after an abandoned probe", async () => {
    const { sid, wire } = await probing();
    await wire.close();
    await post(quiet, ENGINE, sid, "4hello");
    assert.deepEqual(await poll(quiet, ENGINE, sid), [200, "4hello"]);
  });

  await t.test("a WebSocket with an unknown sid is refused", async () => {
    const wire = new Wire(quiet, ENGINE, "unknown");
    assert.equal((await wire.closed).wasClean, false);
  });
});

test("Socket.IO", async (t) => {
  await t.test("namespaces, with and without a payload", async () => {
    const wire = await openWire(server, SOCKET);
    wire.send('40{"token":"123"}');
    assert.match(await wire.nextEvent(), /^40\{"sid":"[^"]+"\}$/);
    assert.equal(await wire.nextEvent(), '42["auth",{"token":"123"}]');
    wire.send("40/custom,");
    assert.match(await wire.nextEvent(), /^40\/custom,\{"sid":"[^"]+"\}$/);
    assert.equal(await wire.nextEvent(), '42/custom,["auth",{}]');
    wire.send("40/random");
    assert.equal(await wire.nextEvent(), '44/random,{"message":"Invalid namespace"}');
    wire.send("41/custom,", '42["message","still here"]');
    assert.equal(await wire.nextEvent(), '42["message-back","still here"]');
    await wire.close();
  });

  await t.test("after a disconnect the engine stays open and may connect again", async () => {
    const wire = await joinedWire(server);
    wire.send("41");
    assert.equal(await wire.next(), "2");
    wire.send("3", "40");
    assert.match(await wire.nextEvent(), /^40\{/);
    await wire.close();
  });

  await t.test("arguments pass through as they are", async () => {
    const wire = await joinedWire(server);
    const args = '{"b":1,"a":"\\ud800","n":1e400},[[]],null,"\\u0041"';
    wire.send(`42["message",${args}]`);
    assert.equal(await wire.nextEvent(), `42["message-back",${args}]`);
    await wire.close();
  });

  await t.test("an ack that nobody requested is ignored", async () => {
    const wire = await joinedWire(server);
    wire.send('431["yes"]', "437[]", '42["message"]');
    assert.equal(await wire.nextEvent(), '42["message-back"]');
    await wire.close();
  });

  const closing = [
    ["4abc", "an unknown packet type"],
    ["42{}", "a payload that is not an array"],
    ['42abc["message"]', "a bad ack id"],
    ["40", "a second CONNECT"],
    ['42/custom,["message"]', "an event for a namespace that was not joined"],
    ['42["disconnect"]', "a reserved event"],
    ['42["newListener"]', "a reserved event"],
    ['4511-["message"]', "too many attachments"],
  ];
  for (const [frame, what] of closing) {
    await t.test(`closed after ${what}: ${frame}`, async () => {
      const wire = await joinedWire(server);
      wire.send(frame);
      await wire.closed;
    });
  }

  await t.test("closed after text where an attachment was expected", async () => {
    const wire = await joinedWire(server);
    wire.send('451-["message",{"_placeholder":true,"num":0}]', '42["message"]');
    await wire.closed;
  });

  await t.test("closed after an attachment where none was expected", async () => {
    const wire = await joinedWire(server);
    wire.send(Uint8Array.of(1));
    await wire.closed;
  });

  await t.test("closed after an event before the CONNECT", async () => {
    const wire = await openWire(server, SOCKET);
    wire.send('42["message"]');
    await wire.closed;
  });

  await t.test("closed when no CONNECT comes", async () => {
    const wire = await openWire(server, SOCKET);
    const from = Date.now();
    const pongs = setInterval(() => wire.send("3"), 100);
    await wire.closed;
    clearInterval(pongs);
    const waited = Date.now() - from;
    assert.ok(waited >= 900 && waited < 2_000, `${waited} ms`);
  });
});

test("the handshake has exactly the specified keys", async () => {
  for (const path of [ENGINE, SOCKET]) {
    const body = await (await fetch(polling(server, path))).text();
    const { sid, ...rest } = JSON.parse(body.slice(1));
    assert.equal(typeof sid, "string");
    assert.deepEqual(rest, {
      upgrades: ["websocket"],
      pingInterval: 300,
      pingTimeout: 200,
      maxPayload: 1_000_000,
    });
  }
});
