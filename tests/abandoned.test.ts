// A GET that its client gives up ends the session at once. Both servers have a proxy of wrangler's in
// front, which passes on that a client has gone only when it is written to.

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
/** Far below the 45 s after which a client that says nothing is gone. */
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

/** A polling session that has joined and taken all there was for it. */
async function joined(host: Host, userId: string) {
  const sid = await openSession(host, PATH);
  await post(host, PATH, sid, join(host, userId));
  assert.match((await poll(host, PATH, sid))[1], /^40\{/);
  return sid;
}

/** A GET on a connection of its own, whose answer is not waited for. */
async function rawGet(host: Host, sid: string) {
  const { hostname, port } = new URL(host.url);
  const socket = connectSocket(Number(port), hostname);
  // It may be reset.
  socket.on("error", () => {});
  socket.resume();
  await once(socket, "connect");
  socket.write(
    `GET ${PATH}/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n` +
      // As browsers do, and it must not be taken up: what is compressed is not written at once.
      "Accept-Encoding: gzip, deflate, br\r\n\r\n",
  );
  return socket;
}

/** Time for a GET to arrive, of which nothing tells. */
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

  test(`a GET that has waited for long is still answered, ${where}`, async () => {
    const sid = await joined(host(), "patient");
    const waiting = poll(host(), PATH, sid);
    // Longer than the time after which it is written to.
    await pause(3_500);
    await post(host(), PATH, sid, '42["get_online_status",{"userId":"patient"}]');
    const [status, body] = await waiting;
    assert.equal(status, 200);
    assert.match(body.split("\x1e").at(-1) ?? "", /^42\["user_online_status",/);
    for (const packet of body.split("\x1e").slice(0, -1)) assert.match(packet, /^6/);
  });

  test(`the real client takes what comes after a long silence, ${where}`, async () => {
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
        // A page that is gone before its next GET arrives gives none up.
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
    // Another one, as a client sends it whose first was ended by the probe.
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

  test(`a GET given up when the WebSocket has taken over, ${where}`, async () => {
    const sid = await joined(host(), "upgraded");
    const wire = await probingWire(host(), PATH, sid);
    const socket = await rawGet(host(), sid);
    wire.send("5", '420["get_online_status",{"userId":"upgraded"}]');
    socket.destroy();
    assert.match(await wire.nextEvent(), /^42\["user_online_status".*"connectionCount":1/);
    await isAlive(wire, "upgraded");
    await wire.close();
  });

  test(`a GET that was answered is not given up, ${where}`, async () => {
    const sid = await joined(host(), "answered");
    const socket = await rawGet(host(), sid);
    const answered = once(socket, "data");
    await post(host(), PATH, sid, '42["get_online_status",{"userId":"answered"}]');
    await answered;
    const waiting = poll(host(), PATH, sid);
    await arrival();
    socket.destroy();
    // Well after the end of the first connection is known.
    await pause(AT_ONCE);
    await post(host(), PATH, sid, '42["get_online_status",{"userId":"answered"}]');
    const [status, body] = await waiting;
    assert.equal(status, 200);
    assert.match(body, /"connectionCount":1/);
  });
}

/** The WebSocket works, and goes on working. */
async function isAlive(wire: Wire, userId: string) {
  assert.match(await wire.nextEvent(), /^430\[/);
  await pause(AT_ONCE);
  wire.send(`421["get_online_status",{"userId":"${userId}"}]`);
  assert.match(await wire.nextEvent(), /"connectionCount":1/);
}

/** A WebSocket that has probed, on a connection that can be cut. */
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
  // A text frame whose mask is zero.
  socket.write(Buffer.concat([Buffer.from([0x81, 0x86, 0, 0, 0, 0]), Buffer.from("2probe")]));
  await client.until(() => received.includes("3probe"), "the probe's answer");
  return socket;
}

/** A real client in a process of its own, which has connected. */
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
