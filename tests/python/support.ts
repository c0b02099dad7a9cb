// Runs Python programs with the python-socketio versions that scripts/test-python.mjs has installed.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

import { inRoot, systemEnv } from "../../scripts/lib/project.mjs";
import { pythonProgram } from "../../scripts/lib/python.mjs";
import { until } from "../support/clients.ts";

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
