// The HTTP API, as the marketplace's own servers call it.

export const API_KEY = "a key for the backend, of 40 characters..";

/** Calls the API. Returns the status, and the body, which is `any`: each test knows its shape. */
export async function callApi(
  { url }: { url: string },
  method: string,
  path: string,
  body?: object,
  token = API_KEY,
): Promise<[status: number, body: any]> {
  const response = await fetch(url + path, {
    method,
    headers: { Authorization: `Bearer ${token}` },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  return [response.status, text && JSON.parse(text)];
}
