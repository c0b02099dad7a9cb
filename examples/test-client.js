// A small interactive client: connects as the given user and prints every event.
// Two clients of the same user show connectionCount 2. Commands are read from the terminal or a pipe.

import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

import { io } from "socket.io-client";

import { Failure, defaultPort, main, parseOrFail } from "../scripts/lib/project.mjs";
import { readSecret, signToken, tokenClaims } from "../scripts/lib/token.mjs";

const usage =
  "usage: node examples/test-client.js [USER] [--url URL] [--role customer|contractor] [--token TOKEN]";

const help = `commands:
  status ID           is this user online?          (get_online_status)
  status ID,ID        are these users online?       (get_bulk_online_status)
  bulk ID,ID text     a message to all of these     (send_bulk_message, contractors only)
  help, quit`;

const options = {
  url: { type: "string", default: `http://localhost:${defaultPort}` },
  role: { type: "string" },
  token: { type: "string" },
};

const replyTimeoutMs = 15_000;

function say(what, ...values) {
  const time = new Date().toISOString().slice(11, 23);
  console.log([time, what, ...values.map((value) => JSON.stringify(value))].join(" "));
}

function readArguments() {
  const parse = () => parseArgs({ options, allowPositionals: true });
  const { values, positionals } = parseOrFail(parse, usage);
  if (positionals.length > 1) throw new Failure(usage);
  const user = positionals[0] ?? "customer1";
  const makeToken = () => signToken(tokenClaims({ sub: user, role: values.role }), readSecret());
  return { user, url: values.url, token: values.token ?? makeToken() };
}

class Client {
  #awaited = new Set();

  constructor({ user, url, token }) {
    this.user = user;
    this.socket = io(url, { auth: { token } });
    this.#print();
  }

  #print() {
    const { socket } = this;
    socket.onAny((event, ...args) => say(event, ...args));
    // Each connection attempt creates a new engine.
    socket.io.on("open", () => this.#watchUpgrade(socket.io.engine));
    socket.on("connect", () => this.#connected());
    socket.on("disconnect", (reason) => say("disconnect", reason));
    socket.on("connect_error", (error) => this.#refused(error));
  }

  #watchUpgrade(engine) {
    engine.on("upgrade", (transport) => say("upgrade", { transport: transport.name }));
  }

  #connected() {
    const { engine } = this.socket.io;
    say("connect", { user: this.user, id: this.socket.id, transport: engine.transport.name });
    this.status([this.user]);
  }

  #refused(error) {
    say("connect_error", error.message, error.data ?? null);
    // The library keeps retrying unless the server refused the connection.
    if (this.socket.active) return;
    process.exitCode = 1;
    this.quit();
  }

  /** Replies also arrive as events and are printed as such; acks only tell when no reply is outstanding. */
  #request(event, payload) {
    const reply = this.socket.timeout(replyTimeoutMs).emitWithAck(event, payload);
    const settled = reply.catch(() => {
      process.exitCode = 1;
      say("no reply", { event });
    });
    this.#awaited.add(settled);
    settled.then(() => this.#awaited.delete(settled));
  }

  status(ids) {
    if (ids.length === 1) return this.#request("get_online_status", { userId: ids[0] });
    this.#request("get_bulk_online_status", { userIds: ids });
  }

  bulk(ids, text) {
    const content = { text };
    this.#request("send_bulk_message", { receiverIds: ids, messageType: "text", content });
  }

  /** Quits once it has connected (or failed to) and has received every reply. */
  async finish() {
    await this.#settled();
    while (this.#awaited.size > 0) await Promise.all(this.#awaited);
    this.quit();
  }

  #settled() {
    const { socket } = this;
    if (socket.connected) return;
    return new Promise((resolve) => {
      socket.once("connect", resolve);
      socket.once("connect_error", () => {
        process.exitCode = 1;
        resolve(this.quit());
      });
    });
  }

  quit() {
    this.socket.disconnect();
    this.onQuit?.();
  }
}

const listOf = (text) => text.split(",").filter(Boolean);

function obey(client, line) {
  const [, command, ids = "", text = ""] = /^\s*(\S*)\s*(\S*)\s*(.*)$/s.exec(line);
  if (command === "") return;
  if (command === "quit" || command === "exit") return client.quit();
  if (command === "status" && ids) return client.status(listOf(ids));
  if (command === "bulk" && ids && text) return client.bulk(listOf(ids), text);
  console.log(help);
}

await main(() => {
  const client = new Client(readArguments());
  const lines = createInterface({ input: process.stdin, terminal: process.stdin.isTTY === true });
  let hasQuit = false;
  client.onQuit = () => {
    hasQuit = true;
    lines.close();
    // Otherwise a pipe whose other end stays open would keep the process alive.
    process.stdin.destroy();
  };
  lines.on("line", (line) => obey(client, line));
  lines.on("SIGINT", () => client.quit());
  lines.on("close", () => hasQuit || client.finish());
  if (process.stdin.isTTY) console.log(help);
});
