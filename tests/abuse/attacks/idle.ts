// Clients that do less than they should: they do not read, do not go on, or do not say goodbye.

import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

import { joinedSocket, openPolling, openSocket, request, traffic } from "../target.ts";
import type { Attack } from "../target.ts";

const A_WHILE_MS = 2_000;

const everybody = JSON.stringify(Array.from({ length: 20 }, (_, index) => `attacker${index}`));

/** Requests a lot, and reads nothing of it. */
export const slowReader: Attack = async (target) => {
  const socket = await joinedSocket(target);
  if (!socket) return;
  socket.pause();
  for (let count = 0; count < 40; count++) {
    socket.send(`42${count}["get_bulk_online_status",{"userIds":${everybody}}]`);
  }
  await pause(A_WHILE_MS);
  socket.terminate();
};

/** Opens a WebSocket without ever joining. */
export const silent: Attack = async (target) => {
  const sockets = await Promise.all(Array.from({ length: 10 }, () => openSocket(target)));
  await pause(A_WHILE_MS);
  for (const socket of sockets) socket?.terminate();
};

/** Opens a polling session and abandons its GET. */
export const abandonedPoll: Attack = async (target) => {
  const url = await openPolling(target, false);
  if (!url) return;
  const stop = new AbortController();
  traffic.requests++;
  const polled = fetch(url, { signal: stop.signal }).catch(() => {});
  await pause(100);
  stop.abort();
  await polled;
  await request(url);
};

/** Begins an HTTP request and never ends it. */
export const halfOpen: Attack = async (target) => {
  const { hostname, port } = new URL(target.url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: switchboard\r\nUpgrade: ",
  );
  await pause(A_WHILE_MS);
  socket.destroy();
};
