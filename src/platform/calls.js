// Calls and requests to Durable Objects. Each crosses from wasm to JavaScript only once, however many objects it
// is for.

/**
 * Calls objects, `concurrency` at a time. `targets` is JSON: `[name, location hint or null, message or null]`
 * for each of them. A target without a message gets the `common` one. `attachment` goes to all of them.
 * Returns one line per target, in order: the object's answer, or `!` and why there is none.
 */
export async function callAll(objects, path, targets, common, attachment, concurrency) {
  const all = JSON.parse(targets);
  const lines = new Array(all.length);
  let next = 0;

  async function call(index) {
    const [name, locationHint, message] = all[index];
    try {
      const object = objects.getByName(name, locationHint ? { locationHint } : undefined);
      lines[index] = await object.call(path, message ?? common, attachment);
    } catch (error) {
      lines[index] = `!${error}`.replaceAll("\n", " ");
    }
  }

  async function callOneAfterAnother() {
    while (next < all.length) await call(next++);
  }

  const lanes = Math.min(concurrency, all.length);
  await Promise.all(Array.from({ length: lanes }, callOneAfterAnother));
  return lines.join("\n");
}

/** Sends a request to an object. `headers` is JSON. */
export const request = (objects, name, url, method, headers, body) =>
  objects.getByName(name).fetch(url, { method, headers: JSON.parse(headers), body });
