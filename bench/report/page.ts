// docs/performance.md: the table, and everything that is needed to read and repeat it.

import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";

import { inRoot } from "../../scripts/lib/project.mjs";
import { storageFolder } from "../targets/workerd.ts";
import type { Results } from "./results.ts";
import { meanings } from "./table.ts";

export interface Report {
  results: Results;
  table: string;
  wasm: string;
  pairs: number;
  /** What the product was compared with. */
  rivals: string[];
  /** The options of the command, to repeat it. */
  options: string[];
}

const versionOf = (name: string) =>
  JSON.parse(readFileSync(inRoot("node_modules", name, "package.json"), "utf8")).version;

function machine() {
  const [{ model }] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return (
    `${cpus().length} cores (${model.trim()}), ${memory} GB of memory, ${process.platform}; ` +
    `workerd ${versionOf("workerd")}, Node.js ${process.versions.node}, databases in ${storageFolder()}`
  );
}

const what: Record<string, string> = {
  "floor-rpc":
    "the floor: a plain JavaScript Worker with the same objects, statements and rows, and nothing else (`bench/floor`); its objects call each other by RPC",
  "floor-fetch": "the floor, whose objects call each other by fetch",
  peer: "one Node.js process with socket.io and PostgreSQL (`bench/peer`); its memory is without PostgreSQL's",
};

export function page({ results, table, wasm, pairs, rivals, options }: Report) {
  const command = ["npm run bench", ...(options.length > 0 ? ["--", ...options] : [])].join(" ");
  const date = new Date().toISOString().slice(0, 10);
  return `# Performance

Written by \`${command} --write\` on ${date}. Run it to repeat the measurement: it
takes minutes, and needs a machine that does nothing else. Set \`DATABASE_URL\` to include the peer.

Everything ran on one machine, in local workerd: ${machine()}. Times on
Cloudflare differ; the ratios say what the product adds to what the platform costs.

${rivals.map((name) => `- **${name}** is ${what[name]}.`).join("\n")}

The servers ran in turn, ${pairs} times each (${Math.ceil(pairs / 3)} for 5,000 receivers and for memory), each time as a new process on empty storage. Each figure is the median of
the runs' medians. A ratio is the product's median divided by the other's, below 1 where the product needs less; in
brackets are the smallest and the largest ratio of two runs in turn. Pings, rate limits and the log's lines about connections (\`LOG_CONNECTIONS\`) were off, but for the
heartbeats. Clients used raw WebSockets in one process, and every message was checked to arrive exactly once,
at its receiver, with the ids in the sender's reply. Connects, presence, direct messages and heartbeats were warmed up first: the engine
compiles the wasm anew for speed while it is used, which takes a sixth of the CPU time of a process's first seconds.

${table}

${wasm}

## What the rows mean

${meanings(results)}
`;
}
