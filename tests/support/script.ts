// Runs the project's scripts as from a terminal.

import { spawn } from "node:child_process";
import { once } from "node:events";

import { inRoot, toolEnv } from "../../scripts/lib/project.mjs";

const started: { stop(signal: NodeJS.Signals): Promise<unknown> }[] = [];

/** Ends all scripts that a test has started, as Ctrl-C would. */
export async function stopScripts() {
  await Promise.all(started.splice(0).map((script) => script.stop("SIGINT")));
}

/** Starts a script with the given arguments and additional environment variables. */
export function startScript(script: string, args: string[] = [], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [inRoot(script), ...args], {
    env: { ...toolEnv(), ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const streams = [child.stdout, child.stderr];
  let output = "";
  for (const stream of streams) {
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  }

  /** Resolves when the output so far matches. */
  const shows = (wanted: RegExp) =>
    new Promise<RegExpMatchArray>((resolve, reject) => {
      const look = () => {
        const found = output.match(wanted);
        if (found) resolve(found);
      };
      for (const stream of streams) stream.on("data", look);
      child.once("close", () => reject(new Error(`exited before printing ${wanted}:\n${output}`)));
      look();
    });

  /** Sends the signal, if any, and waits for the script to exit. Returns the exit code. */
  const stop = async (signal?: NodeJS.Signals) => {
    if (child.exitCode !== null) return child.exitCode;
    const closed = once(child, "close");
    if (signal) child.kill(signal);
    const [code] = await closed;
    return code as number | null;
  };

  started.push({ stop });
  return {
    shows,
    stop,
    type: (line: string) => child.stdin.write(`${line}\n`),
  };
}
