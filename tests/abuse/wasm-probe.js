// Precedes the built Worker (tests/support/dev.ts): every response reports the size of the wasm's memory, of all
// instances, in bytes.

const memories = [];

WebAssembly.Instance = class extends WebAssembly.Instance {
  constructor(...args) {
    super(...args);
    memories.push(this.exports.memory);
  }
};

const PlatformResponse = Response;

globalThis.Response = class extends PlatformResponse {
  static [Symbol.hasInstance] = (value) => value instanceof PlatformResponse;

  constructor(...args) {
    super(...args);
    const bytes = memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
    this.headers.set("Wasm-Bytes", String(bytes));
  }
};
