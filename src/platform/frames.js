// Measures WebSocket messages before the wasm copies them: its memory grows with the largest ones and never shrinks.

const encoder = new TextEncoder();

/** What a message occupies in memory beside its data, about. */
const MESSAGE_COST = 100;

/** Returns whether a message has more bytes than `limit`. Text counts as UTF-8. */
export function isLarger(message, limit) {
  if (typeof message !== "string") return message.byteLength > limit;
  // A UTF-16 unit has one to three bytes, so only a text near the limit has to be encoded.
  if (message.length > limit) return true;
  return message.length * 3 > limit && encoder.encode(message).length > limit;
}

/** Returns whether a message begins like a Socket.IO CONNECT. */
export const isConnect = (message) => typeof message === "string" && message.startsWith("40");

/**
 * Limits the messages that the socket's listeners get, except those that are added before this call. Instead of a
 * larger message they get one whose data is whether it began like a CONNECT. The large one is let go at once, even
 * while the listeners are busy. The same happens to whatever comes after `total` bytes: messages wait in memory while
 * the listeners are busy. `bytes` and `total` of the returned object may be changed at any time.
 */
export function limitFrames(socket, bytes, total) {
  const limit = { bytes, total };
  socket.addEventListener("message", (event) => {
    if (typeof event.data === "boolean") return;
    limit.total -= MESSAGE_COST + (event.data.length ?? event.data.byteLength);
    if (limit.total >= 0 && !isLarger(event.data, limit.bytes)) return;
    event.stopImmediatePropagation();
    socket.dispatchEvent(new MessageEvent("message", { data: isConnect(event.data) }));
  });
  return limit;
}
