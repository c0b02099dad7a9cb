// The Worker's entry point: forwards the platform's calls to the wasm.
//
// A panic or a trap leaves the wasm's memory inconsistent. That instance is never reused: the
// next call starts a fresh one, and each object is constructed again in it, as after an eviction.

import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import * as wasm from "switchboard-wasm";

import { isConnect, isLarger } from "./platform/frames.js";

/** The crate `worker` sets `criticalError` when the wasm panics, and counts the instances in `instanceId`. */
const state = wasm.__worker_init_state();

function replaceBrokenInstance() {
  if (!state.criticalError) return;
  console.error("the wasm has panicked: starting a fresh instance");
  wasm.__wbg_reset_state();
  state.criticalError = false;
  // The glue resets the wasm by itself in some cases; then only the crate counts.
  state.instanceId += 1;
}

/** Replaces the instance at once: nothing that still waits for it may run on. */
function trapped() {
  state.criticalError = true;
  replaceBrokenInstance();
}

/** A stack overflow in the wasm is a RangeError of the engine's. */
const isTrap = (error) =>
  error instanceof WebAssembly.RuntimeError ||
  (error instanceof RangeError && /call stack/.test(error.message));

// The wasm runs a task by queueMicrotask. The runtime's own takes several times as long as a promise.
globalThis.queueMicrotask = (task) => void Promise.resolve().then(task);

// Catches traps in tasks, and in listeners.
addEventListener("unhandledrejection", ({ reason }) => {
  if (isTrap(reason)) trapped();
});
addEventListener("error", ({ error }) => {
  if (isTrap(error)) trapped();
});

/**
 * Calls the wasm. What it exports returns promises or strings, so an error that it throws at once is a trap of some
 * kind. Its promises are settled by tasks, whose traps arrive at the listener above.
 */
function enter(call) {
  replaceBrokenInstance();
  try {
    return call();
  } catch (error) {
    trapped();
    throw error;
  }
}

/**
 * The size in bytes up to which a frame is passed on unmeasured. The wasm checks every limit again, so this only
 * spares most frames a call.
 */
const SMALL_FRAME = 4096;

/** Wraps a Durable Object class of the wasm, with the handlers that this class has. */
function durableObject(Inner) {
  class Outer extends DurableObject {
    #instance;
    #inner;

    constructor(ctx, env) {
      super(ctx, env);
      enter(() => this.#current());
    }

    #current() {
      if (this.#instance !== state.instanceId) {
        this.#inner = new Inner(this.ctx, this.env);
        this.#instance = state.instanceId;
      }
      return this.#inner;
    }

    static handler(name) {
      return function (...args) {
        return enter(() => this.#current()[name](...args));
      };
    }

    /** Passes a frame on to the wasm, unless it is too large: then the wasm is only told that there was one. */
    static message() {
      const pass = Outer.handler("webSocketMessage");
      return function (ws, message) {
        if (isLarger(message, SMALL_FRAME)) {
          const max = enter(() => this.#current().maxFrame(ws));
          if (isLarger(message, max)) {
            return enter(() => this.#current().refuseFrame(ws, isConnect(message)));
          }
        }
        return pass.call(this, ws, message);
      };
    }

    /** A remote call (src/user_do/calls.rs). Most are answered without a promise; the alarm is looked at behind them. */
    static call() {
      return function (...args) {
        const answer = enter(() => this.#current().answerNow?.(...args));
        if (answer === undefined) return enter(() => this.#current().answerLater(...args));
        if (enter(() => this.#current().mayLackAlarm())) {
          this.ctx.waitUntil(enter(() => this.#current().endCall()));
        }
        return answer;
      };
    }
  }
  const handlers = ["fetch", "alarm", "webSocketMessage", "webSocketClose", "webSocketError"];
  for (const name of handlers.filter((name) => name in Inner.prototype)) {
    Outer.prototype[name] = Outer.handler(name);
  }
  if ("maxFrame" in Inner.prototype) Outer.prototype.webSocketMessage = Outer.message();
  if ("answerLater" in Inner.prototype) Outer.prototype.call = Outer.call();
  return Outer;
}

export const UserObject = durableObject(wasm.UserObject);
export const CampaignObject = durableObject(wasm.CampaignObject);
export const Pacemaker = durableObject(wasm.Pacemaker);
export const PollingGateway = durableObject(wasm.PollingGateway);

export default class extends WorkerEntrypoint {
  fetch(request) {
    return enter(() => wasm.fetch(request, this.env, this.ctx));
  }
}
