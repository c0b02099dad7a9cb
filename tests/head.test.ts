// HEAD is answered like GET, but without a body (RFC 9110, section 9.3.2). Engine.IO does not support HEAD.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { closeAll, connect, sendTo } from "./support/clients.ts";
import { openSession, poll, polling, post } from "./support/fixture.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

const API_KEY = "a key for the backend, of 40 characters..";
const authorized = { Authorization: `Bearer ${API_KEY}` };

let server: Server;
before(async () => {
  server = await startServer({ vars: { API_KEY } });
});
afterEach(closeAll);
after(() => server.close());

/** Asserts that HEAD and GET get the same status and headers. Returns the status. */
async function both(url: string, headers: Record<string, string> = {}) {
  const ask = (method: string) => fetch(url, { method, headers });
  const [head, get] = [await ask("HEAD"), await ask("GET")];
  assert.equal(await head.text(), "", url);
  assert.notEqual(await get.text(), "", url);
  const names = [
    "content-type",
    "cache-control",
    "www-authenticate",
    "content-security-policy",
    "etag",
  ];
  const alike = (response: Response) => [
    response.status,
    ...names.map((name) => response.headers.get(name)),
  ];
  assert.deepEqual(alike(head), alike(get), url);
  return head.status;
}

test("the console page and its files", async () => {
  const page = await (await fetch(`${server.url}/`)).text();
  const files = [...page.matchAll(/(?:src|href)="([^":]+)"/g)].map(([, file]) => file);
  assert.ok(files.length > 0);
  for (const file of ["", ...files]) assert.equal(await both(`${server.url}/${file}`), 200, file);
  assert.equal(await both(`${server.url}/nonsense`), 404);
});

test("with the page disabled", async () => {
  const plain = await startServer({ vars: { CONSOLE: "off" } });
  assert.equal(await both(`${plain.url}/`), 200);
  await plain.close();
});

test("health", async () => {
  assert.equal(await both(`${server.url}/healthz`), 200);
  const post = await fetch(`${server.url}/healthz`, { method: "POST" });
  assert.deepEqual([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
});

test("the HTTP API", async () => {
  const sender = await connect(server, "head-sender");
  await connect(server, "head-receiver");
  const { conversationId } = await sendTo(sender, { receiverId: "head-receiver" }, "x");
  const paths = [
    "users/head-sender/status",
    "users/head-sender/conversations",
    `conversations/${conversationId}/messages`,
  ];
  for (const path of paths) {
    assert.equal(await both(`${server.url}/v1/${path}`, authorized), 200);
    assert.equal(await both(`${server.url}/v1/${path}`), 401);
    const refused = await fetch(`${server.url}/v1/${path}`, { method: "PUT", headers: authorized });
    assert.deepEqual([refused.status, refused.headers.get("allow")], [405, "GET, HEAD"]);
  }
  assert.equal(await both(`${server.url}/v1/users/nobody/status`, authorized), 404);
  assert.equal(await both(`${server.url}/v1/nothing`, authorized), 404);
  const options = { method: "HEAD", headers: authorized };
  const write = await fetch(`${server.url}/v1/users/head-sender/disconnect`, options);
  assert.deepEqual([write.status, write.headers.get("allow")], [405, "POST"]);
});

test("Engine.IO refuses HEAD like the reference server, and the session is unaffected", async () => {
  const PATH = "/socket.io";
  const head = async (sid?: string) => {
    const response = await fetch(polling(server, PATH, sid), { method: "HEAD" });
    assert.equal(await response.text(), "");
    return response.status;
  };
  assert.equal(await head(), 400);
  const sid = await openSession(server, PATH);
  await post(server, PATH, sid, `40${JSON.stringify({ token: server.token("head") })}`);
  assert.equal(await head(sid), 400);
  const waiting = poll(server, PATH, sid);
  assert.equal(await head(sid), 400);
  const [status, body] = await waiting;
  assert.equal(status, 200);
  assert.match(body, /^40\{/);
});
