// Runs Python programs with what scripts/test-python.mjs has installed: versions of python-socketio, and standardwebhooks.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";

import { inRoot, systemEnv } from "../../scripts/lib/project.mjs";
import { pythonProgram } from "../../scripts/lib/python.mjs";
import { until } from "../support/clients.ts";
import type { Host } from "../support/clients.ts";
import { linesOf } from "../support/page.ts";

export const versions = ["5.0", "5.18"] as const;
export type Version = (typeof versions)[number];

/** Starts a program in tests/python. */
export function startPython(version: Version, program: string, ...args: string[]) {
  const python = pythonProgram(`python-socketio-${version}`);
  const child = spawn(python, [inRoot("tests", "python", program), ...args], {
    env: systemEnv(),
    stdio: ["pipe", "pipe", "pipe"],
  });
  const closed = once(child, "close");
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));

  return {
    lines,
    /** Returns the program's stderr so far, such as the traceback of a failed handler. */
    errors: () => errors,
    /** Resolves to the first printed line that matches. */
    async prints(wanted: RegExp) {
      const printed = () => {
        if (child.exitCode !== null)
          throw new Error(`exited before printing ${wanted}:\n${errors}`);
        return lines.find((line) => wanted.test(line));
      };
      // Many programs start at once, and Python starts slowly.
      return until(printed, `${program} prints ${wanted}`, 30_000);
    },
    /** Closes the program's input, which ends it. Returns the exit code. */
    async stop() {
      child.stdin.end();
      const [code] = await closed;
      return code as number | null;
    },
    kill: () => child.kill("SIGKILL"),
  };
}

/** Programs with clients that do nothing but stay connected. */
export const idlePrograms = ["idle_sync.py", "idle_asyncio.py"];
const pythonTransports: Record<string, string[]> = {
  default: ["polling", "websocket"],
  polling: ["polling"],
  websocket: ["websocket"],
};

/** The events of each client by user id: `connect`, `disconnect`, and the texts of messages. */
export type Histories = () => [userId: string, events: string[]][];

/** Starts a process with one Python client for each transport setting. `of` distinguishes several of them. */
export async function startIdle(server: Host, version: Version, program: string, of = "") {
  const userId = (transports: string) => [program, version, transports, of].join(" ").trim();
  const clients = Object.entries(pythonTransports).map(([name, transports]) => {
    const token = server.token(userId(name));
    // 5.0 has no `auth`. A token in the URL bypasses the relay, so both paths are tested.
    // 5.18 gives up if CONNECT is not answered within 1 s, and many clients start at once here. 5.0 does not wait.
    const more =
      version === "5.0"
        ? { url: `${server.url}/?token=${token}` }
        : { url: server.url, auth: { token }, wait_timeout: 30 };
    return { name: userId(name), transports, ...more };
  });
  const python = startPython(version, program, JSON.stringify(clients));
  for (const { name } of clients) await python.prints(new RegExp(`"${name}", "event": "connect"`));

  const histories: Histories = () => {
    const printed = python.lines.map((line) => JSON.parse(line));
    return clients.map(({ name }) => [
      name,
      printed.filter((line) => line.client === name).map(({ event, text }) => text ?? event),
    ]);
  };
  return { ...python, histories };
}

/** A webhook as it came. The library believes that it is `at`, in seconds, if that is given. */
export interface SignedWebhook {
  secret: string;
  headers: Record<string, string>;
  body: string;
  at?: number;
}

/** Has the official Python library check webhooks. Returns what it says of each: `accepted`, or why not. */
export async function verifyWebhooks(webhooks: SignedWebhook[]) {
  const program = inRoot("tests", "python", "webhooks.py");
  const child = spawn(pythonProgram("standardwebhooks"), [program], {
    env: systemEnv(),
    stdio: ["pipe", "pipe", "inherit"],
  });
  const printed = text(child.stdout);
  child.stdin.end(webhooks.map((webhook) => `${JSON.stringify(webhook)}\n`).join(""));
  return linesOf(await printed);
}
