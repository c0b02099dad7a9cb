// More than anybody needs: events, CONNECTs, and connections.

import { closed, joinedSocket, openSocket, someAddress, socketIo, request } from "../target.ts";
import type { Attack } from "../target.ts";

/** Sends events until the server closes the connection. */
export const events: Attack = async (target) => {
  const socket = await joinedSocket(target);
  if (!socket) return;
  for (let count = 0; count < 400; count++) {
    socket.send(`42${count}["get_online_status",{"userId":"attacker1"}]`);
  }
  await closed(socket);
};

/** Sends CONNECTs that are refused until the server closes the connection. */
export const connects: Attack = async (target) => {
  const socket = await openSocket(target);
  if (!socket) return;
  for (let count = 0; count < 100; count++) socket.send('40{"token":"invalid"}');
  await closed(socket);
};

/** Requests handshakes, of which one address may have only so many. */
export const handshakes: Attack = async (target) => {
  const headers = { "CF-Connecting-IP": someAddress() };
  const url = socketIo(target, { transport: "polling" });
  await Promise.all(Array.from({ length: 20 }, () => request(url, { headers })));
};
