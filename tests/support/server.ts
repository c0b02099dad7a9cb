// Runs the product in workerd with its own D1 database, using wrangler's test harness.

import type { D1Database, DurableObjectNamespace } from "@cloudflare/workers-types";
import { randomBytes } from "node:crypto";
import { createTestHarness } from "wrangler";

import { signToken } from "../../scripts/lib/token.mjs";
import { assertNoCancelledAlarm } from "./alarms.ts";
import { testVars } from "./limits.ts";

/** The Worker's bindings that tests use. */
interface Bindings {
  DB: D1Database;
  USER: DurableObjectNamespace;
  POLLING_GATEWAY: DurableObjectNamespace;
}

interface ServerOptions {
  /** The folder of the built Worker. */
  dist?: string;
  vars?: Record<string, string | number | boolean>;
  secrets?: Record<string, string>;
}

export type Server = Awaited<ReturnType<typeof startServer>>;

/** Serves the Worker that `npm test` has built into dist. `vars` override wrangler.toml. */
export async function startServer({ dist = "dist", vars = {}, secrets }: ServerOptions = {}) {
  const secret = randomBytes(32).toString("hex");
  const server = createTestHarness({
    workers: [
      {
        configPath: "wrangler.toml",
        prebuiltWorkerDir: dist,
        vars: { ...testVars, ...vars },
        secrets: secrets ?? { JWT_SECRET: secret },
      },
    ],
  });
  const { url } = await server.listen();
  const worker = server.getWorker<Bindings>();
  await worker.applyD1Migrations("DB");
  const { DB: db } = await worker.getEnv();
  const logs = () => server.getLogs().map(({ message }) => message);

  return {
    url: url.href.replace(/\/$/, ""),
    worker,
    db,
    secret,

    /** Returns a token that expires in an hour, unless `claims` override that. */
    token(sub: string, claims: object = {}) {
      return signToken({ sub, exp: Math.floor(Date.now() / 1000) + 3600, ...claims }, secret);
    },

    async addUser(userId: string, role = "customer", name: string | null = null) {
      const sql = "INSERT INTO users (user_id, role, name, created_at) VALUES (?, ?, ?, 0)";
      await db.prepare(sql).bind(userId, role, name).run();
    },

    /** Evicts the user's object from memory; "hibernate" keeps its sockets, "close" closes them. */
    evict(userId: string, webSockets: "hibernate" | "close") {
      return worker.evictDurableObject("USER", { name: userId, webSockets });
    },

    /** Returns what the Worker and its objects have logged. */
    logs,

    async close() {
      const lines = logs();
      await server.close();
      assertNoCancelledAlarm(lines.join("\n"));
    },
  };
}
