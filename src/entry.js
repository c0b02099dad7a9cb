// The Worker's entry point: forwards the platform's calls to the wasm.
//
// A panic or a trap leaves the wasm's memory inconsistent. That instance is never reused: the
// next call starts a fresh one, and each object is constructed again in it, as after an eviction.

import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import * as wasm from "switchboard-wasm";

/** The crate `worker` sets `criticalError` when the wasm panics. */
const state = wasm.__worker_init_state();
let instance = 0;

function replaceBrokenInstance() {
  if (!state.criticalError) return;
  console.error("the wasm has panicked: starting a fresh instance");
  wasm.__wbg_reset_state();
  state.criticalError = false;
  instance += 1;
}

function noteTrap(error) {
  if (error instanceof WebAssembly.RuntimeError) state.criticalError = true;
}

// Catches traps in tasks that nothing awaits.
addEventListener("error", ({ error }) => noteTrap(error));

async function guarded(call) {
  replaceBrokenInstance();
  try {
    return await call();
  } catch (error) {
    noteTrap(error);
    throw error;
  }
}

/** Wraps a Durable Object class of the wasm, with the handlers that this class has. */
function durableObject(Inner) {
  class Outer extends DurableObject {
    #instance;
    #inner;

    constructor(ctx, env) {
      super(ctx, env);
      replaceBrokenInstance();
      this.#current();
    }

    #current() {
      if (this.#instance !== instance) {
        this.#inner = new Inner(this.ctx, this.env);
        this.#instance = instance;
      }
      return this.#inner;
    }

    static handler(name) {
      return function (...args) {
        return guarded(() => this.#current()[name](...args));
      };
    }
  }
  const handlers = ["fetch", "alarm", "webSocketMessage", "webSocketClose", "webSocketError"];
  for (const name of handlers.filter((name) => name in Inner.prototype)) {
    Outer.prototype[name] = Outer.handler(name);
  }
  return Outer;
}

export const UserObject = durableObject(wasm.UserObject);
export const PollingGateway = durableObject(wasm.PollingGateway);

export default class extends WorkerEntrypoint {
  fetch(request) {
    return guarded(() => wasm.fetch(request, this.env, this.ctx));
  }
}
