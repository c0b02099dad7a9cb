// A GET that the client aborts ends the session at once. Both servers run behind a proxy of wrangler's, which
// reports a closed client connection only when the server writes to it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Agent } from "node:http";
import { connect as connectSocket } from "node:net";
import type { Socket } from "node:net";
import test, { after, afterEach, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import * as client from "./support/clients.ts";
import type { Client, Host } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";
import { Wire, openSession, poll, post, probingWire } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const PATH = "/socket.io";
/** Far below the 45 s after which a silent client times out. */
const AT_ONCE = 2_500;

let server: Server;
let dev: DevServer;
before(async () => {
  server = await startServer();
  dev = await createDevServer();
  await dev.start();
});
afterEach(client.closeAll);
after(() => Promise.all([server.close(), dev.close()]));

const hosts: Record<string, () => Host> = {
  "the test harness": () => server,
  "wrangler dev": () => dev,
};

const observe = (host: Host) =>
  client.connect(host, "observer", { transports: ["websocket"], forceNew: true });

const count = async (observer: Client, userId: string) =>
  (await client.statusOf(observer, userId)).connectionCount;

const counts = (observer: Client, userId: string, expected: number) =>
  client.until(
    async () => (await count(observer, userId)) === expected,
    `${expected} connections of ${userId}`,
    AT_ONCE,
  );

const join = (host: Host, userId: string) => `40${JSON.stringify({ token: host.token(userId) })}`;

/** Opens a polling session that has joined and received everything queued for it. */
async function joined(host: Host, userId: string) {
  const sid = await openSession(host, PATH);
  await post(host, PATH, sid, join(host, userId));
  assert.match((await poll(host, PATH, sid))[1], /^40\{/);
  return sid;
}

/** Sends a GET on a new connection without waiting for the response. */
async function rawGet(host: Host, sid: string) {
  const { hostname, port } = new URL(host.url);
  const socket = connectSocket(Number(port), hostname);
  // The connection may be reset.
  socket.on("error", () => {});
  socket.resume();
  await once(socket, "connect");
  socket.write(
    `GET ${PATH}/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n` +
      // Browsers send this. The server must not compress: compressed output is not written at once.
      "Accept-Encoding: gzip, deflate, br\r\n\r\n",
  );
  return socket;
}

/** Waits for a GET to arrive, which no event reports. */
const arrival = () => pause(300);

const cuts: Record<string, (socket: Socket) => unknown> = {
  "closes, having sent its GET": (socket) => socket.destroy(),
  "closes, having been written to": async (socket) => {
    await once(socket, "data");
    socket.destroy();
  },
  "resets, having been written to": async (socket) => {
    await once(socket, "data");
    socket.resetAndDestroy();
  },
};

for (const [where, host] of Object.entries(hosts)) {
  for (const [cut, act] of Object.entries(cuts)) {
    test(`a client whose connection ${cut}, ${where}`, async () => {
      const observer = await observe(host());
      const sid = await joined(host(), cut);
      const socket = await rawGet(host(), sid);
      await arrival();
      assert.equal(await count(observer, cut), 1);
      await act(socket);
      await counts(observer, cut, 0);
      assert.equal((await post(host(), PATH, sid, "3"))[0], 400);
    });
  }

  test(`a GET that has waited for a long time is still answered, ${where}`, async () => {
    const sid = await joined(host(), "patient");
    const waiting = poll(host(), PATH, sid);
    // Longer than the time after which the server starts to write keep-alives to the GET.
    await pause(3_500);
    await post(host(), PATH, sid, '42["get_online_status",{"userId":"patient"}]');
    const [status, body] = await waiting;
    assert.equal(status, 200);
    assert.match(body.split("\x1e").at(-1) ?? "", /^42\["user_online_status",/);
    for (const packet of body.split("\x1e").slice(0, -1)) assert.match(packet, /^6/);
  });

  test(`the real client receives an event after a long silence, ${where}`, async () => {
    const socket = await client.connect(host(), "silent", { transports: ["polling"] });
    await pause(3_500);
    assert.equal((await client.statusOf(socket, "silent")).connectionCount, 1);
    assert.equal(socket.connected, true);
  });

  test(`the real client, whose connections break, ${where}`, async () => {
    const observer = await observe(host());
    const agent = new Agent();
    const options = { transports: ["polling"], agent: agent as never };
    const socket = await client.connect(host(), "broken", options);
    await arrival();
    const gone = client.next(socket, "disconnect");
    for (const open of Object.values(agent.sockets).flat()) open?.destroy();
    await gone;
    await counts(observer, "broken", 0);
  });

  test(`the real client, whose process is killed, ${where}`, async () => {
    const observer = await observe(host());
    const page = await openPage(host(), "killed", ["polling"]);
    await arrival();
    assert.equal(await count(observer, "killed"), 1);
    page.kill("SIGKILL");
    await counts(observer, "killed", 0);
  });

  for (const transports of [["polling"], ["polling", "websocket"]]) {
    test(`twelve reloads by ${transports}, ${where}`, async () => {
      const observer = await observe(host());
      const userId = `reloader ${transports}`;
      let page = await openPage(host(), userId, transports);
      for (let reload = 0; reload < 12; reload++) {
        // If the page is killed before its next GET arrives, there is no GET to abort.
        if (transports.length === 1) await arrival();
        page.kill("SIGKILL");
        page = await openPage(host(), userId, transports);
      }
      await counts(observer, userId, 1);
      page.kill("SIGKILL");
      await counts(observer, userId, 0);
    });
  }

  test(`in the middle of an upgrade, ${where}`, async () => {
    const observer = await observe(host());
    const sid = await joined(host(), "upgrading");
    const socket = await rawGet(host(), sid);
    const probe = await probing(host(), sid);
    // Clients send another GET when the probe has ended the first.
    const second = await rawGet(host(), sid);
    for (const open of [socket, second, probe]) open.destroy();
    await counts(observer, "upgrading", 0);
  });

  test(`after the probe has ended the GET, ${where}`, async () => {
    const observer = await observe(host());
    const sid = await joined(host(), "paused");
    const waiting = poll(host(), PATH, sid);
    const probe = await probing(host(), sid);
    assert.equal((await waiting)[1].split("\x1e").at(-1), "6");
    probe.destroy();
    await counts(observer, "paused", 0);
  });

  test(`a GET aborted after the upgrade to WebSocket, ${where}`, async () => {
    const sid = await joined(host(), "upgraded");
    const wire = await probingWire(host(), PATH, sid);
    const socket = await rawGet(host(), sid);
    wire.send("5", '420["get_online_status",{"userId":"upgraded"}]');
    socket.destroy();
    assert.match(await wire.nextEvent(), /^42\["user_online_status".*"connectionCount":1/);
    await isAlive(wire, "upgraded");
    await wire.close();
  });

  test(`a closed connection whose GET was answered ends nothing, ${where}`, async () => {
    const sid = await joined(host(), "answered");
    const socket = await rawGet(host(), sid);
    const answered = once(socket, "data");
    await post(host(), PATH, sid, '42["get_online_status",{"userId":"answered"}]');
    await answered;
    const waiting = poll(host(), PATH, sid);
    await arrival();
    socket.destroy();
    // By now the server knows that the first connection has ended.
    await pause(AT_ONCE);
    await post(host(), PATH, sid, '42["get_online_status",{"userId":"answered"}]');
    const [status, body] = await waiting;
    assert.equal(status, 200);
    assert.match(body, /"connectionCount":1/);
  });
}

/** Asserts that the WebSocket works and keeps working. */
async function isAlive(wire: Wire, userId: string) {
  assert.match(await wire.nextEvent(), /^430\[/);
  await pause(AT_ONCE);
  wire.send(`421["get_online_status",{"userId":"${userId}"}]`);
  assert.match(await wire.nextEvent(), /"connectionCount":1/);
}

/** Opens a WebSocket that has probed, on a raw TCP connection that the test can cut. */
async function probing(host: Host, sid: string) {
  const { hostname, port } = new URL(host.url);
  const socket = connectSocket(Number(port), hostname);
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(
    `GET ${PATH}/?EIO=4&transport=websocket&sid=${sid} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n` +
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  let received = "";
  socket.on("data", (data) => (received += data.toString("latin1")));
  await client.until(() => received.includes("\r\n\r\n"), "the WebSocket");
  // A text frame with a zero mask.
  socket.write(Buffer.concat([Buffer.from([0x81, 0x86, 0, 0, 0, 0]), Buffer.from("2probe")]));
  await client.until(() => received.includes("3probe"), "the probe's answer");
  return socket;
}

/** Starts a real client in a separate process and waits until it has connected. */
async function openPage(host: Host, userId: string, transports: string[]) {
  const script = `
    import { io } from "socket.io-client";
    const [url, token, transports] = process.argv.slice(1);
    const socket = io(url, { auth: { token }, transports: transports.split(",") });
    socket.on("connect", () => process.send("connect"));
  `;
  const args = ["--input-type=module", "--eval", script, "--", host.url, host.token(userId)];
  const page = spawn(process.execPath, [...args, `${transports}`], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  pages.add(page);
  await once(page, "message");
  return page;
}

const pages = new Set<ReturnType<typeof spawn>>();
after(() => pages.forEach((page) => page.kill("SIGKILL")));
