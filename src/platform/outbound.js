// One POST to a server outside, whatever that server does.

/**
 * Returns the answer's status and its Retry-After. Rejects if no answer has begun within `timeoutMs`.
 *
 * @param {string} url
 * @param {string} headers JSON: a list of names and values.
 * @param {Uint8Array} body
 * @param {number} timeoutMs
 */
export async function post(url, headers, body, timeoutMs) {
  const response = await fetch(url, {
    method: "POST",
    headers: JSON.parse(headers),
    body,
    // A redirect could lead to a server that nobody has named, or away from https.
    redirect: "manual",
    signal: AbortSignal.timeout(timeoutMs),
  });
  // The status says all. Nobody waits for a body that does not end.
  response.body?.cancel().catch(() => {});
  return { status: response.status, retryAfter: response.headers.get("Retry-After") ?? undefined };
}
