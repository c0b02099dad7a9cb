// Frames that no client sends: garbage, frames of every kind at the wrong time, and large ones.

import { randomBytes, randomInt } from "node:crypto";

import { anySocket, closed, pick } from "../target.ts";
import type { Attack } from "../target.ts";

const frames = [
  () => "",
  () => "4",
  () => "0{}",
  () => "2probe",
  () => "5",
  () => "9".repeat(1_000),
  () => "40{",
  () => `40${"[".repeat(10_000)}`,
  () => '451-["e",{"_placeholder":true,"num":0}]',
  () => '459999999999-["e"]',
  () => '42["\ud800"]',
  () => `42/${"n".repeat(5_000)},["e"]`,
  () => '43184467440737095516159["e"]',
  () => randomBytes(randomInt(5_000)),
  () => randomBytes(randomInt(5_000)).toString("latin1"),
];

/** Sends garbage until the server closes the connection. */
export const garbage: Attack = async (target) => {
  const socket = await anySocket(target);
  if (!socket) return;
  for (let count = 0; count < 20; count++) socket.send(pick(...frames)());
  await closed(socket);
};

const large = "4".repeat(1_500_000);
const largeBytes = Buffer.alloc(1_500_000);

/** Sends two frames over the limit, without waiting for an answer to the first. */
export const largeFrames: Attack = async (target) => {
  const socket = await anySocket(target);
  if (!socket) return;
  for (let count = 0; count < 2; count++) socket.send(pick<string | Buffer>(large, largeBytes));
  await closed(socket);
};
