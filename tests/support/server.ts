// Runs the product in workerd with its own D1 databases, using wrangler's test harness.

import type { D1Database, DurableObjectNamespace } from "@cloudflare/workers-types";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createTestHarness } from "wrangler";

import { inRoot } from "../../scripts/lib/project.mjs";
import { shardsIn } from "../../scripts/lib/shards.mjs";
import { signToken } from "../../scripts/lib/token.mjs";
import { assertNoCancelledAlarm } from "./alarms.ts";
import { testVars } from "./limits.ts";
import { usualShards, withShards } from "./shards.ts";
import type { ShardCount } from "./shards.ts";

/** The Worker's bindings that tests use. */
interface Bindings {
  DB: D1Database;
  DB_1: D1Database;
  DB_2: D1Database;
  DB_3: D1Database;
  USER: DurableObjectNamespace;
  POLLING_GATEWAY: DurableObjectNamespace;
}

interface ServerOptions {
  /** The folder of the built Worker. */
  dist?: string;
  vars?: Record<string, string | number | boolean>;
  secrets?: Record<string, string>;
  shards?: ShardCount;
  /** Changes wrangler.toml. */
  edit?: (toml: string) => string;
}

export type Server = Awaited<ReturnType<typeof startServer>>;

/** Returns the project's configuration with absolute paths, since it is going to be elsewhere. */
const withPlaces = (toml: string) =>
  toml.replace(
    /^(main|migrations_dir|directory) = "(.*)"$/gm,
    (_line, key: string, place: string) => `${key} = ${JSON.stringify(inRoot(place))}`,
  );

/** Serves the Worker that `npm test` has built into dist. `vars` override wrangler.toml. */
export async function startServer({
  dist = inRoot("dist"),
  vars = {},
  secrets,
  shards = usualShards,
  edit = (toml) => toml,
}: ServerOptions = {}) {
  const secret = randomBytes(32).toString("hex");
  const toml = edit(withShards(readFileSync(inRoot("wrangler.toml"), "utf8"), shards));
  const folder = mkdtempSync(path.join(tmpdir(), "switchboard-"));
  const configPath = path.join(folder, "wrangler.toml");
  writeFileSync(configPath, withPlaces(toml));
  const server = createTestHarness({
    workers: [
      {
        configPath,
        prebuiltWorkerDir: dist,
        vars: { ...testVars, ...vars },
        secrets: secrets ?? { JWT_SECRET: secret },
      },
    ],
  });
  const { url } = await server.listen();
  const worker = server.getWorker<Bindings>();
  const names = shardsIn(toml) as ("DB" | "DB_1" | "DB_2" | "DB_3")[];
  for (const name of names) await worker.applyD1Migrations(name);
  const env = await worker.getEnv();
  const dbs = names.map((name) => env[name]);
  const logs = () => server.getLogs().map(({ message }) => message);

  /** Runs a statement in every database of the record. Returns all rows. */
  async function everywhere<Row = Record<string, any>>(sql: string, ...values: unknown[]) {
    const run = (db: D1Database) =>
      db
        .prepare(sql)
        .bind(...values)
        .all<Row>();
    const answers = await Promise.all(dbs.map(run));
    return answers.flatMap(({ results }) => results);
  }

  /** Returns the number of rows in all databases. `from` is a table, with conditions. */
  async function count(from: string) {
    const rows = await everywhere<{ n: number }>(`SELECT count(*) AS n FROM ${from}`);
    return rows.reduce((sum, { n }) => sum + n, 0);
  }

  return {
    url: url.href.replace(/\/$/, ""),
    worker,
    /** The first database of the record. */
    db: env.DB,
    /** All databases of the record, in their order. */
    dbs,
    everywhere,
    count,
    secret,

    /** Returns a token that expires in an hour, unless `claims` override that. */
    token(sub: string, claims: object = {}) {
      return signToken({ sub, exp: Math.floor(Date.now() / 1000) + 3600, ...claims }, secret);
    },

    async addUser(userId: string, role = "customer", name: string | null = null) {
      const sql = "INSERT INTO users (user_id, role, name, created_at) VALUES (?, ?, ?, 0)";
      await everywhere(sql, userId, role, name);
    },

    /** Evicts the user's object from memory; "hibernate" keeps its sockets, "close" closes them. */
    evict(userId: string, webSockets: "hibernate" | "close") {
      return worker.evictDurableObject("USER", { name: userId, webSockets });
    },

    /** Returns what the Worker and its objects have logged. */
    logs,

    /** Ends the server. `erasures` is how many users were erased. */
    async close({ erasures = 0 } = {}) {
      const lines = logs();
      await server.close();
      rmSync(folder, { recursive: true });
      assertNoCancelledAlarm(lines.join("\n"), 0, erasures);
    },
  };
}
