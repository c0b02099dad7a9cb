// Runs a Worker in a workerd process of its own, with empty storage. Unlike wrangler's harness, this puts no
// proxy in front of the Worker.

import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import type { V4MiniflareOptions } from "miniflare";

import { inRoot } from "../../scripts/lib/project.mjs";
import { childrenOf } from "../report/process.ts";
import { calm, signedToken } from "./target.ts";
import type { Target, Vars } from "./target.ts";

const WORKER = "bench";

/** Where all clients are, as far as the Worker can tell. */
const place = { colo: "FRA", continent: "EU", country: "DE", longitude: "8.7" };

function setting(toml: string, name: string) {
  const [, value] = new RegExp(`^${name} = (.*)$`, "m").exec(toml) ?? [];
  if (!value) throw new Error(`wrangler.toml does not set ${name}`);
  return JSON.parse(value);
}

function moduleOf(file: string) {
  const isWasm = file.endsWith(".wasm");
  return {
    type: isWasm ? ("CompiledWasm" as const) : ("ESModule" as const),
    path: file,
    contents: isWasm ? readFileSync(file) : readFileSync(file, "utf8"),
  };
}

/** Returns the bindings of the databases: the record may be spread over several. */
const databasesOf = ({ RECORD_SHARDS = "DB" }: Vars) => RECORD_SHARDS.split(",");

/** The objects that every Worker here has, by their bindings. */
const usualObjects = { USER: "UserObject", POLLING_GATEWAY: "PollingGateway" };

const withSqlite = (objects: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(objects).map(([name, className]) => [name, { className, useSQLite: true }]),
  );

function options(
  folder: string,
  files: string[],
  bindings: Vars,
  objects: Record<string, string>,
  log: (line: string) => void,
) {
  const toml = readFileSync(inRoot("wrangler.toml"), "utf8");
  const options: V4MiniflareOptions = {
    name: WORKER,
    host: "127.0.0.1",
    port: 0,
    cf: place,
    modulesRoot: path.dirname(files[0]),
    modules: files.map(moduleOf),
    compatibilityDate: setting(toml, "compatibility_date"),
    compatibilityFlags: setting(toml, "compatibility_flags"),
    bindings,
    durableObjects: withSqlite(objects),
    d1Databases: Object.fromEntries(databasesOf(bindings).map((name) => [name, name])),
    handleStructuredLogs: ({ message }) => log(message),
  };
  return {
    ...convertV4MiniflareOptions(options),
    handleUncaughtError: (error: Error) => log(String(error)),
    resourcePersistencePath: folder,
  };
}

/** What the largest scenario stores, with room to spare. */
const NEEDED_BYTES = 2 ** 31;

/**
 * Returns where servers keep their databases: in memory if there is room, because otherwise the disk is
 * measured. An object waits for the disk with every write, and there is no such disk on the platform.
 */
export function storageFolder() {
  const memory = "/dev/shm";
  if (process.env.TMPDIR || !existsSync(memory)) return tmpdir();
  const { bavail, bsize } = statfsSync(memory);
  return bavail * bsize >= NEEDED_BYTES ? memory : tmpdir();
}

/** Returns the statements of all migrations. */
function migrations() {
  const files = readdirSync(inRoot("migrations")).sort();
  const text = files.map((name) => readFileSync(inRoot("migrations", name), "utf8")).join("\n");
  const statements = text.replace(/--.*$/gm, "").split(";");
  return statements.map((statement) => statement.trim()).filter(Boolean);
}

/** Returns the size of a database, with what is still in its write-ahead log. */
function bytesOf(file: string) {
  const database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
  const sql = "SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size";
  const bytes = Number(database.prepare(sql).get()?.bytes);
  database.close();
  return bytes;
}

function bytesIn(folder: string) {
  const databases = readdirSync(folder).filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name));
  return databases.reduce((sum, name) => sum + bytesOf(path.join(folder, name)), 0);
}

/** Returns the databases, with all tables. */
async function migrated(miniflare: Miniflare, names: string[]) {
  const dbs = await Promise.all(names.map((name) => miniflare.getD1Database(name)));
  for (const db of dbs) await db.batch(migrations().map((statement) => db.prepare(statement)));
  return dbs;
}

/**
 * Starts the server. Returns its address and its databases, and how long it took until it had answered a handshake,
 * without the migrations before that.
 */
async function firstAnswer(miniflare: Miniflare, names: string[]) {
  const begun = performance.now();
  const url = (await miniflare.ready).href.replace(/\/$/, "");
  const readyMs = performance.now() - begun;
  const dbs = await migrated(miniflare, names);
  const asked = performance.now();
  const { status } = await fetch(`${url}/socket.io/?EIO=4&transport=polling`);
  if (status !== 200) throw new Error(`the handshake was answered with status ${status}`);
  return { url, dbs, startMs: readyMs + performance.now() - asked };
}

/** Starts the Worker whose modules are `files`, the entry first, and which has `moreObjects`, by their bindings. */
export async function startWorkerd(
  files: string[],
  vars: Vars,
  moreObjects: Record<string, string> = {},
): Promise<Target> {
  const folder = mkdtempSync(path.join(storageFolder(), "switchboard-bench-"));
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", removeFolder);
  const secret = randomBytes(32).toString("hex");
  const errors: string[] = [];
  let rowsWritten = 0;
  const log = (line: string) => {
    // The runtime reports so that an alarm was deleted just when it was due.
    if (line.includes("SQLite alarm handler canceled")) return;
    if (line.includes('"level":"error"') || !line.startsWith("{")) errors.push(line);
    else rowsWritten += JSON.parse(line).d1RowsWritten ?? 0;
  };

  const before = new Set(childrenOf(process.pid));
  const bindings = { ...calm, JWT_SECRET: secret, ...vars };
  const miniflare = new Miniflare(
    options(folder, files, bindings, { ...usualObjects, ...moreObjects }, log),
  );
  const starting = firstAnswer(miniflare, databasesOf(bindings));
  const { url, dbs, startMs } = await starting.catch(async (error) => {
    await miniflare.dispose();
    throw error;
  });
  const [pid = 0] = childrenOf(process.pid).filter((child) => !before.has(child));

  return {
    url,
    startMs,
    pid,

    token: signedToken(secret),

    async addUsers(userIds) {
      const sql =
        "INSERT INTO users (user_id, created_at, region) SELECT value, 0, 'weur' FROM json_each(?)";
      for (const db of dbs) await db.prepare(sql).bind(JSON.stringify(userIds)).run();
    },

    async storage() {
      const sizes = await Promise.all(dbs.map((db) => db.prepare("SELECT 1").all()));
      const databaseBytes = sizes.reduce((sum, { meta }) => sum + meta.size_after, 0);
      const objectBytes = bytesIn(path.join(folder, "do", `${WORKER}-UserObject`));
      return { databaseBytes, rowsWritten, objectBytes };
    },

    hibernate: (name) =>
      miniflare.unsafeEvictDurableObject(WORKER, "UserObject", { name, webSockets: "hibernate" }),

    hasCampaigns: "CAMPAIGN" in moreObjects,

    errors: () => errors,

    async close() {
      await miniflare.dispose();
      removeFolder();
      process.off("exit", removeFolder);
    },
  };
}
