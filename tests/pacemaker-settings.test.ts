// What an operator can change about pacemakers.

import assert from "node:assert/strict";
import { test } from "node:test";

import { closeAll } from "./support/clients.ts";
import { createDevServer } from "./support/dev.ts";
import {
  INTERVAL,
  LATE,
  connect,
  gapsOf,
  isEmpty,
  isRegistered,
  pings,
  registered,
  vars,
} from "./support/pacemaker.ts";

test("a full pacemaker sends users on to others", async () => {
  const server = await createDevServer({ ...vars, PACEMAKER_MAX_USERS: 2 });
  await server.start();
  const users = Array.from({ length: 7 }, (_, index) => `many${index}`);
  const sockets = await Promise.all(users.map((id) => connect(server, id)));
  await isRegistered(server, ...users);
  const sizes = [...server.pacemakers().values()].map((rows) => rows.length);
  assert.ok(sizes.length >= 4 && Math.max(...sizes) <= 2, `${sizes}`);
  const gaps = sockets.map(gapsOf);
  await pings(sockets, 3);
  for (const gap of gaps.flatMap((all) => all.slice(1))) {
    assert.ok(gap <= INTERVAL + LATE, `${gap} ms`);
  }
  closeAll();
  await isEmpty(server);
  await server.close();
});

test("PACEMAKER = off: alarms alone", async () => {
  const server = await createDevServer({ ...vars, PACEMAKER: "off" });
  await server.start();
  const socket = await connect(server, "alone");
  await pings([socket], 4);
  assert.deepEqual(registered(server), []);
  const alarm = server.alarm("alone");
  assert.ok(alarm !== null && alarm <= Date.now() + INTERVAL);
  closeAll();
  await server.close();
});
