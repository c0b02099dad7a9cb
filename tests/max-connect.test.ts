// MAX_CONNECT_BYTES: the size of the largest frame and POST body of a client that has not joined. One byte more is
// refused everywhere, and after the CONNECT the limit is MAX_PAYLOAD_BYTES.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { Wire, openSession, poll, polling, post } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PATH = "/socket.io";
/** The default. */
const MAX = 16_384;

let server: Server;
before(async () => {
  server = await startServer();
});
after(() => server.close());

const bytesOf = (text: string) => Buffer.byteLength(text);

/** Pads `text` to this many bytes by replacing its `*` with characters of three bytes, and some of one. */
function padded(text: string, bytes: number) {
  const missing = bytes - bytesOf(text) + 1;
  const frame = text.replace("*", "字".repeat(missing / 3) + "x".repeat(missing % 3));
  assert.equal(bytesOf(frame), bytes);
  return frame;
}

const connect = (userId: string, bytes: number) =>
  padded(`40${JSON.stringify({ token: server.token(userId), pad: "*" })}`, bytes);
const ask = (bytes: number) => padded('421["get_online_status",{"userId":"a","pad":"*"}]', bytes);

const ways: Record<string, (userId: string) => Record<string, string>> = {
  "through the relay": () => ({}),
  "straight to the object": (userId) => ({ token: server.token(userId) }),
};

for (const [way, queryOf] of Object.entries(ways)) {
  const open = async (userId: string) => {
    const wire = new Wire(server, PATH, undefined, queryOf(userId));
    assert.match(await wire.next(), /^0\{/);
    return wire;
  };

  test(`a WebSocket ${way}: so large until it has joined, and larger afterwards`, async () => {
    const wire = await open("joins");
    wire.send(connect("joins", MAX));
    assert.match(await wire.next(), /^40\{/);
    wire.send(ask(100_000));
    assert.match(await wire.next(), /^42\["user_online_status"/);
    await wire.close();
  });

  test(`a CONNECT ${way} that is too large is told so`, async () => {
    const wire = await open("large");
    wire.send(connect("large", MAX + 1));
    assert.match(await wire.next(), /^44\{.*16384 bytes.*"code":"too_large"/);
    const { code, reason } = await wire.closed;
    assert.deepEqual([code, reason], [1009, "frame too large"]);
  });

  test(`any other frame ${way} that is too large closes the connection`, async () => {
    for (const frame of [ask(MAX + 1), new Uint8Array(MAX + 1), ask(2_000_000)]) {
      const wire = await open("other");
      wire.send(frame);
      assert.equal((await wire.closed).code, 1009);
    }
  });
}

test("a POST: so large until its session has joined, and larger afterwards", async () => {
  const sid = await openSession(server, PATH);
  assert.deepEqual(await post(server, PATH, sid, connect("poller", MAX)), [200, "ok"]);
  assert.match((await poll(server, PATH, sid))[1], /^40\{/);
  assert.deepEqual(await post(server, PATH, sid, ask(100_000)), [200, "ok"]);
  assert.match((await poll(server, PATH, sid))[1], /^42\["user_online_status"/);
});

/** Returns a body that does not declare its length. */
const inChunks = (text: string) => new Blob([text]).stream();

for (const [name, body] of Object.entries({
  "with its length": () => connect("poller", MAX + 1),
  "without its length": () => inChunks(connect("poller", MAX + 1)),
})) {
  test(`a POST that is too large, ${name}, ends the session`, async () => {
    const sid = await openSession(server, PATH);
    const options = { method: "POST", body: body(), duplex: "half" } as RequestInit;
    assert.equal((await fetch(polling(server, PATH, sid), options)).status, 413);
    assert.equal((await poll(server, PATH, sid))[0], 400);
  });
}
