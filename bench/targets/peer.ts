// The peer (bench/peer): Node.js, socket.io and PostgreSQL at DATABASE_URL, in a schema of its own.

import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import pg from "pg";

import { inRoot } from "../../scripts/lib/project.mjs";
import type { Target, TargetKind, Vars } from "./target.ts";
import { calm, signedToken } from "./target.ts";

const databaseUrl = process.env.DATABASE_URL;

async function startPeer(vars: Vars): Promise<Target> {
  const schema = `bench_${randomBytes(6).toString("hex")}`;
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(`CREATE SCHEMA ${schema}`);
  const secret = randomBytes(32).toString("hex");
  const errors: string[] = [];

  const begun = performance.now();
  const child = fork(inRoot("bench", "peer", "server.ts"), {
    env: { ...process.env, ...calm, ...vars, JWT_SECRET: secret, SCHEMA: schema },
    execArgv: [],
    stdio: ["ignore", "inherit", "pipe", "ipc"],
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => errors.push(text.trim()));
  const ended = once(child, "exit").then(() => {
    throw new Error(`the peer has exited: ${errors.join("\n")}`);
  });
  ended.catch(() => {});

  async function close() {
    if (child.exitCode === null) {
      const exited = once(child, "exit");
      child.kill();
      await exited;
    }
    await client.query(`DROP SCHEMA ${schema} CASCADE`);
    await client.end();
  }

  try {
    const [port] = await Promise.race([once(child, "message"), ended]);
    const url = `http://127.0.0.1:${port}`;
    await (await fetch(`${url}/socket.io/?EIO=4&transport=polling`)).text();
    return {
      url,
      startMs: performance.now() - begun,
      pid: child.pid ?? 0,
      token: signedToken(secret),

      async addUsers(userIds) {
        const sql = `INSERT INTO ${schema}.users (user_id, created_at) SELECT unnest($1::text[]), 0`;
        await client.query(sql, [userIds]);
      },

      async storage() {
        const sql =
          "SELECT sum(pg_total_relation_size(oid)) AS bytes FROM pg_class " +
          "WHERE relnamespace = $1::regnamespace AND relkind = 'r'";
        const { rows } = await client.query(sql, [schema]);
        return { databaseBytes: Number(rows[0].bytes), rowsWritten: null, objectBytes: null };
      },

      hibernate: null,
      hasCampaigns: false,
      errors: () => errors,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Without DATABASE_URL there is no peer. */
export const peers: TargetKind[] = databaseUrl ? [{ name: "peer", start: startPeer }] : [];
