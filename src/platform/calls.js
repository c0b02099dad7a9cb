// Calls and requests to Durable Objects. Each crosses from wasm to JavaScript only once, however many objects it
// is for.

/** Returns the object's answer, or `!` and why there is none, in one line. */
async function call(objects, path, name, locationHint, message, attachment) {
  try {
    const object = objects.getByName(name, locationHint ? { locationHint } : undefined);
    return await object.call(path, message, attachment);
  } catch (error) {
    return `!${error}`.replaceAll("\n", " ");
  }
}

/**
 * How many calls are made before it lets other events pass. The runtime serves calls between objects of one
 * process before anything that comes from outside, so without a pause everybody else would wait for the whole fan-out.
 */
const SLICE = 8;

/** Returns the answer, or `!` and why there is none if it takes longer than `patience`, in milliseconds. */
function within(patience, answer) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, patience, `!no answer within ${patience} ms`);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

/**
 * Calls objects, `concurrency` at a time. `targets` is JSON: `[name, location hint or null, message or null]`
 * for each of them. A target without a message gets the `common` one. Returns one line per target, in order: the
 * object's answer, or `!` and why there is none. If `patience` is not 0, no answer is awaited for longer, in
 * milliseconds, and other events pass in between.
 */
export async function callAll(objects, path, targets, common, concurrency, patience) {
  const all = JSON.parse(targets);
  const lines = new Array(all.length);
  let next = 0;
  let pause;

  async function callOneAfterAnother() {
    while (next < all.length) {
      const index = next++;
      if (patience && index % SLICE === SLICE - 1) pause = scheduler.wait(0);
      await pause;
      const [name, locationHint, message] = all[index];
      const answer = call(objects, path, name, locationHint, message ?? common);
      lines[index] = await (patience ? within(patience, answer) : answer);
    }
  }

  const lanes = Math.min(concurrency, all.length);
  await Promise.all(Array.from({ length: lanes }, callOneAfterAnother));
  return lines.join("\n");
}

/**
 * Calls that deliver the copies of one send, `concurrency` at a time. `targets` is JSON: `[name, location hint or
 * null, message]` for each of them; `letter` goes to all of them. A target is called when `call` is told to.
 */
export class Deliveries {
  #objects;
  #path;
  #targets;
  #letter;
  #concurrency;
  #due = [];
  #calling = 0;
  #made = 0;
  #pause;
  #lines = [];
  #wake = () => {};

  constructor(objects, path, targets, letter, concurrency) {
    this.#objects = objects;
    this.#path = path;
    this.#targets = JSON.parse(targets);
    this.#letter = letter;
    this.#concurrency = concurrency;
  }

  /** Calls the targets with these indices, each as soon as it may. */
  call(indices) {
    this.#due.push(...indices);
    const lanes = Math.min(this.#concurrency - this.#calling, indices.length);
    for (let lane = 0; lane < lanes; lane++) this.#callOneAfterAnother();
  }

  /** Answers for a target that is not called. */
  leave(index) {
    this.#answer(index, "");
  }

  /**
   * Resolves to the answers since the last time, as soon as there are any. Each is a line: the target's index, a
   * space, and the object's answer, `!` and why there is none, or nothing if it was not called.
   */
  async answers() {
    if (this.#lines.length === 0) await new Promise((resolve) => (this.#wake = resolve));
    return this.#lines.splice(0).join("\n");
  }

  #answer(index, answer) {
    this.#lines.push(`${index} ${answer}`);
    this.#wake();
  }

  async #callOneAfterAnother() {
    this.#calling++;
    while (this.#due.length > 0) {
      const index = this.#due.shift();
      if (++this.#made % SLICE === 0) this.#pause = scheduler.wait(0);
      await this.#pause;
      const [name, locationHint, message] = this.#targets[index];
      const answer = call(this.#objects, this.#path, name, locationHint, message, this.#letter);
      this.#answer(index, await answer);
    }
    this.#calling--;
  }
}

/** Sends a request to an object. `headers` is JSON: a list of names and values. */
export const request = (objects, name, url, method, headers, body) =>
  objects.getByName(name).fetch(url, { method, headers: JSON.parse(headers), body });
