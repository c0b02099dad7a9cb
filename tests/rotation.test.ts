// Key rotation does not affect clients that hold tokens or sessions of the previous key.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import test, { after } from "node:test";

import { closeAll, connect, next, sendTo, until } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import type { DevServer } from "./support/dev.ts";

let server: DevServer;
after(async () => {
  closeAll();
  await server.close();
});

test("tokens and sessions of the previous key are valid until that key is removed", async () => {
  server = await createDevServer();
  const JWT_SECRET = randomBytes(32).toString("hex");
  const newcomer = server.signed("carol", JWT_SECRET);
  // An object that keeps the old code during the exchange must already accept what the new key signs.
  await server.start({ JWT_SECRET_PREVIOUS: JWT_SECRET });
  const early = await connect(server, "carol", { auth: { token: newcomer } });
  early.close();
  const options = { reconnection: true, reconnectionDelay: 200, reconnectionDelayMax: 200 };
  const ann = await connect(server, "ann", options);
  const bob = await connect(server, "bob");
  await sendTo(bob, { receiverId: "ann" }, "before");
  await until(() => ann.texts.length === 1, "the first message");

  const back = next(ann, "connect");
  await server.kill();
  await server.start({ JWT_SECRET, JWT_SECRET_PREVIOUS: server.secret });
  await back;
  assert.equal(ann.recovered, true);
  const carol = await connect(server, "carol", { auth: { token: newcomer } });
  await sendTo(carol, { receiverId: "ann" }, "after");
  await until(() => ann.texts.length === 2, "the second message");
  assert.deepEqual(ann.texts, ["before", "after"]);

  closeAll();
  await server.kill();
  await server.start({ JWT_SECRET });
  await assert.rejects(connect(server, "ann"), /The token is not valid/);
  await connect(server, "carol", { auth: { token: newcomer } });
});
