// Precedes the built Worker (tests/calls.test.ts): every response reports how many remote calls the objects have
// answered by a promise.

let promises = 0;

WebAssembly.Instance = class extends WebAssembly.Instance {
  get exports() {
    const exports = { ...super.exports };
    const name = Object.keys(exports).find((name) => /user_?object_?answer_?later$/i.test(name));
    const answerLater = exports[name];
    exports[name] = (...args) => {
      promises += 1;
      return answerLater(...args);
    };
    return exports;
  }
};

const PlatformResponse = Response;

globalThis.Response = class extends PlatformResponse {
  static [Symbol.hasInstance] = (value) => value instanceof PlatformResponse;

  constructor(...args) {
    super(...args);
    this.headers.set("Answered-By-Promise", String(promises));
  }
};
