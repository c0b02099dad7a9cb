// Programs in Python, with the python-socketio that scripts/test-python.mjs has installed.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

import { inRoot, systemEnv } from "../../scripts/lib/project.mjs";
import { pythonProgram } from "../../scripts/lib/python.mjs";
import { until } from "../support/clients.ts";

export const versions = ["5.0", "5.18"] as const;
export type Version = (typeof versions)[number];

/** Starts a program of tests/python. */
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
    /** What the program complains of, such as a handler that failed. */
    errors: () => errors,
    /** Moves on when the program has printed a line that matches: the line. */
    async prints(wanted: RegExp) {
      const printed = () => {
        if (child.exitCode !== null) throw new Error(`it ended without ${wanted}:\n${errors}`);
        return lines.find((line) => wanted.test(line));
      };
      // Many start at once, and Python takes its time to.
      return until(printed, `${program} prints ${wanted}`, 30_000);
    },
    /** Closes its input, which ends it: the exit code. */
    async stop() {
      child.stdin.end();
      const [code] = await closed;
      return code as number | null;
    },
    kill: () => child.kill("SIGKILL"),
  };
}
