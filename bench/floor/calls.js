// The two ways to call a User object: fetch and RPC. The variable CALLS chooses one.

const ORIGIN = "http://object";

async function answer(response) {
  if (response.status !== 200) throw new Error(`the object returned ${response.status}`);
  return response.json();
}

const byFetch = {
  presence: async (object) => answer(await object.fetch(`${ORIGIN}/presence`)),

  /** Prepares the delivery of one letter to many. What all requests have in common is built once. */
  deliveries(letter) {
    const init = { method: "POST", body: letter };
    return async (object, { c, m }) =>
      answer(await object.fetch(`${ORIGIN}/deliver?c=${c}&m=${m}`, init));
  },

  delivered: async (object, payload) =>
    answer(await object.fetch(`${ORIGIN}/delivered`, { method: "POST", body: payload })),
};

const byRpc = {
  presence: (object) => object.presence(),
  deliveries:
    (letter) =>
    (object, { c, m }) =>
      object.deliver(c, m, letter),
  delivered: (object, payload) => object.delivered(payload),
};

export const callsOf = (env) => (env.CALLS === "rpc" ? byRpc : byFetch);

/** Answers a call by fetch with the method that RPC calls. */
export async function serveCall(object, request) {
  const { pathname, searchParams } = new URL(request.url);
  switch (pathname) {
    case "/presence":
      return Response.json(object.presence());
    case "/deliver": {
      const letter = await request.text();
      return Response.json(object.deliver(searchParams.get("c"), searchParams.get("m"), letter));
    }
    case "/delivered":
      return Response.json(object.delivered(await request.text()));
    default:
      return new Response(null, { status: 404 });
  }
}
