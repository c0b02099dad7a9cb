// The memory of a server under `wrangler dev`.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import WebSocket from "ws";

import { childrenOf } from "../../bench/report/process.ts";
import type { DevServer } from "../support/dev.ts";

/** What a server occupies, in bytes. */
export interface Memory {
  /** The linear memories of the wasm, which never shrink. */
  wasm: number;
  /** The resident memory of all workerd processes, with what the engine has not collected yet. */
  resident: number;
}

/** Returns the ids of the process's descendants that run workerd. */
function runtimesOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => {
    const name = readFileSync(`/proc/${child}/comm`, "utf8").trim();
    return name === "workerd" ? [child] : runtimesOf(child);
  });
}

function residentBytes(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const [, kilobytes] = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status) ?? [];
  return Number(kilobytes) * 1_024;
}

const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);

/** Returns the resident memory of all workerd processes, in bytes. */
export const resident = (server: DevServer) =>
  sum(runtimesOf(server.pid()).map((pid) => residentBytes(pid, "VmRSS")));

/** Returns the sum of the processes' peaks since they started, in bytes. */
export const peak = (server: DevServer) =>
  sum(runtimesOf(server.pid()).map((pid) => residentBytes(pid, "VmHWM")));

/** A session of the Chrome DevTools Protocol. */
class Inspector {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (message: any) => void>();
  #lastId = 0;
  /** The id of the Worker's execution context. */
  readonly contextId: Promise<number>;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    const { promise, resolve } = Promise.withResolvers<number>();
    this.contextId = promise;
    socket.on("message", (data) => {
      const message = JSON.parse(String(data));
      if (message.method === "Runtime.executionContextCreated") resolve(message.params.context.id);
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
    });
  }

  static async open(port: number) {
    const targets: any = await (await fetch(`http://127.0.0.1:${port}/json`)).json();
    const socket = new WebSocket(targets[0].webSocketDebuggerUrl);
    await once(socket, "open");
    return new Inspector(socket);
  }

  /** Calls a method. The result is `any`, since each caller knows its type. */
  async call(method: string, params: object = {}): Promise<any> {
    const id = ++this.#lastId;
    const answered = new Promise<any>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.send(JSON.stringify({ id, method, params }));
    const { result, error } = await answered;
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  close() {
    this.#socket.terminate();
  }
}

/** Returns the size of all linear memories in the Worker's isolate. */
export async function wasmBytes(server: DevServer): Promise<number> {
  const inspector = await Inspector.open(server.inspectorPort);
  try {
    await inspector.call("Runtime.enable");
    const expression = "WebAssembly.Memory.prototype";
    const contextId = await inspector.contextId;
    const { result } = await inspector.call("Runtime.evaluate", { expression, contextId });
    const { objects } = await inspector.call("Runtime.queryObjects", {
      prototypeObjectId: result.objectId,
    });
    const measured = await inspector.call("Runtime.callFunctionOn", {
      objectId: objects.objectId,
      functionDeclaration:
        "function () { return this.reduce((sum, { buffer }) => sum + buffer.byteLength, 0); }",
      returnByValue: true,
    });
    return measured.result.value;
  } finally {
    inspector.close();
  }
}

/** Measures a server that nobody uses. */
export async function measure(server: DevServer): Promise<Memory> {
  const wasm = await wasmBytes(server);
  return { wasm, resident: resident(server) };
}
