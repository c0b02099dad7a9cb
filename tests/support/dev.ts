// Runs the product under `wrangler dev`, for what the test harness cannot do: kill it, restart it on the same
// state, and inspect its objects' storage.

import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";

import { inRoot, toolEnv, wrangler } from "../../scripts/lib/project.mjs";
import { signToken } from "../../scripts/lib/token.mjs";
import { assertNoCancelledAlarm } from "./alarms.ts";
import { testVars } from "./limits.ts";
import { mainModule } from "./main-module.ts";
import { createState } from "./migrated.ts";
import { usualShards, withShards } from "./shards.ts";
import type { ShardCount } from "./shards.ts";

/** A database row or a log line; its values are `any`, since each test knows their types. */
type Row = Record<string, any>;

type DatabaseSyncOptions = ConstructorParameters<typeof DatabaseSync>[1];

export type DevServer = Awaited<ReturnType<typeof createDevServer>>;

interface DevOptions {
  config?: string;
  edit?: (toml: string) => string;
  probe?: string;
  wrapper?: string;
  shards?: ShardCount;
  parent?: string;
}

/** Writes the project's configuration, changed to use the Worker that `npm test` has built. Returns the file. */
function writeConfig(folder: string, options: Required<Omit<DevOptions, "parent">>) {
  const { config: more, edit, shards } = options;
  const main = mainModule(folder, options);
  const config = withShards(readFileSync(inRoot("wrangler.toml"), "utf8"), shards)
    .replace(/^\[build\]\n(?:.+\n)*/m, "")
    .replace(/^main = .*/m, `main = ${JSON.stringify(main)}`)
    .replaceAll('"migrations"', JSON.stringify(inRoot("migrations")))
    .replace('"build-console"', JSON.stringify(inRoot("build-console")))
    .replace(/^compatibility_date/m, "no_bundle = true\ncompatibility_date");
  const file = path.join(folder, "wrangler.toml");
  const rule = (type: string, glob: string) =>
    `\n[[rules]]\ntype = "${type}"\nglobs = ["${glob}"]\nfallthrough = true\n`;
  const rules = rule("CompiledWasm", "**/*.wasm") + rule("ESModule", "**/*.js");
  writeFileSync(file, edit(config) + rules + more);
  return file;
}

/**
 * Returns a port that stays free while the server is down: it is below the system's range for outgoing
 * connections (from 32768 on Linux, from 49152 elsewhere).
 */
export async function freePort() {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}

/** Returns all rows of a table, or none if a kill prevented its creation. */
function rowsOf(database: DatabaseSync, table: string): Row[] {
  const exists = database.prepare("SELECT 1 FROM sqlite_master WHERE name = ?").get(table);
  return exists ? database.prepare(`SELECT * FROM ${table}`).all() : [];
}

const nameOf = (database: DatabaseSync) =>
  rowsOf(database, "__miniflare_do_name")[0]?.name as string | undefined;

/**
 * Creates a server that can be stopped and restarted on the same state, at the same address. `config` is
 * appended to wrangler.toml, which `edit` may change. `probe` and `wrapper` are those of `mainModule`.
 * `parent` is the folder in which it keeps its files.
 */
export async function createDevServer(
  vars: Record<string, string | number> = {},
  {
    config: more = "",
    edit = (toml) => toml,
    probe = "",
    wrapper = "",
    shards = usualShards,
    parent = tmpdir(),
  }: DevOptions = {},
) {
  const folder = mkdtempSync(path.join(parent, "switchboard-"));
  const settings = { config: more, edit, probe, wrapper, shards };
  const config = writeConfig(folder, settings);
  const state = path.join(folder, "state");
  const secret = randomBytes(32).toString("hex");
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const options = [`--config=${config}`, `--persist-to=${state}`];
  const env = { ...toolEnv(), CI: "true" };
  let child: ChildProcessByStdio<null, Readable, Readable> | null = null;
  /** How the server ended, if nobody here ended it. */
  let death: string | null = null;
  const output: string[] = [];
  /** When the running server was started, and where its output begins. */
  let run = { startedAt: 0, from: 0 };

  await createState(config, state, env);

  async function start(more: Record<string, string> = {}) {
    const base = { JWT_SECRET: secret, ...testVars };
    const all = Object.entries({ ...base, ...vars, ...more });
    const [command, args] = wrangler(
      "dev",
      ...options,
      `--port=${port}`,
      "--ip=127.0.0.1",
      // The default is a fixed port, which two servers that start at the same time would both take.
      "--inspector-port=0",
      "--show-interactive-dev-session=false",
      ...all.flatMap(([name, value]) => ["--var", `${name}:${value}`]),
    );
    run = { startedAt: Date.now(), from: output.length };
    // A separate process group, so that signals reach workerd, too.
    const started = spawn(command, args, {
      env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    child = started;
    started.once("exit", (code, signal) => {
      if (child === started) death = signal ?? `exit code ${code}`;
    });
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => output.push(text));
    }
    // Another server may have taken the port, so one that answers need not be this one.
    const isReady = () => output.slice(run.from).join("").includes(`Ready on ${url}`);
    const isUp = async () =>
      isReady() &&
      fetch(`${url}/socket.io/?EIO=4&transport=polling`).then(
        ({ status }) => status === 200,
        () => false,
      );
    while (!(await isUp())) {
      if (started.exitCode !== null) {
        throw new Error(`wrangler dev exited with code ${started.exitCode}:\n${output.join("")}`);
      }
      await pause(50);
    }
  }

  /** Returns the log lines of the Worker and its objects with this `what`. */
  const logged = (what: string): Row[] =>
    output
      .join("")
      .split("\n")
      .filter((line) => line.includes(`"what":"${what}"`))
      .map((line) => JSON.parse(line.slice(line.indexOf("{"), line.lastIndexOf("}") + 1)))
      .filter((line) => line.what === what);

  /** Signals the whole process group, unless it has ended. */
  function signal(name: NodeJS.Signals) {
    if (child?.pid && !death) process.kill(-child.pid, name);
  }

  /** Kills the server, like a power cut. */
  async function kill() {
    if (!child) return;
    if (death) throw new Error(`the server ended by itself, ${death}:\n${output.join("")}`);
    const ended = once(child, "close");
    signal("SIGKILL");
    child = null;
    await ended;
    assertNoCancelledAlarm(output.slice(run.from).join(""), run.startedAt);
  }

  /** Suspends the server: its connections stay open but fall silent. */
  const freeze = () => signal("SIGSTOP");

  async function close() {
    try {
      await kill();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  function filesOf(...place: string[]) {
    const folder = path.join(state, "v3", ...place);
    const files = readdirSync(folder).filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name));
    return files.map((name) => path.join(folder, name));
  }

  const open = (options: DatabaseSyncOptions, ...place: string[]) =>
    filesOf(...place).map((file) => new DatabaseSync(file, { timeout: 5_000, ...options }));

  /** Reads the storage of all objects of a class, one at a time: there may be more than files that can be open. */
  function readObjects<T>(className: string, read: (database: DatabaseSync) => T): T[] {
    return filesOf("do", `switchboard-${className}`).map((file) => {
      const database = new DatabaseSync(file, { timeout: 5_000, readOnly: true });
      try {
        return read(database);
      } finally {
        database.close();
      }
    });
  }

  /** Calls `act` with every database of the record. Returns the results. */
  function inEachShard<T>(options: DatabaseSyncOptions, act: (database: DatabaseSync) => T): T[] {
    const shards = open(options, "d1", "miniflare-D1DatabaseObject");
    try {
      return shards.map(act);
    } finally {
      for (const shard of shards) shard.close();
    }
  }

  /** Changes a database of the record, by its place. Each must have been used before. */
  function inShard(place: number, sql: string) {
    const isIt = (database: DatabaseSync) =>
      database.prepare("SELECT shard_index AS place FROM deployment").get()?.place === place;
    inEachShard({}, (database) => isIt(database) && database.exec(sql));
  }

  /** Queries D1. Returns the rows of all databases. */
  const d1 = (sql: string): Row[] =>
    inEachShard({ readOnly: true }, (database) => database.prepare(sql).all()).flat();

  /** Returns how many rows a table in D1 has, in all databases. */
  const count = (table: string) =>
    d1(`SELECT count(*) AS n FROM ${table}`).reduce((sum, { n }) => sum + n, 0);

  /** Adds customers to D1. */
  const addUsers = (ids: string[]) =>
    inEachShard({}, (database) => {
      const insert = database.prepare(
        "INSERT OR IGNORE INTO users (user_id, created_at) VALUES (?, 0)",
      );
      database.exec("BEGIN");
      for (const id of ids) insert.run(id);
      database.exec("COMMIT");
    });

  /** Returns the message ids in the logs of all User objects whose log is not empty, by user. */
  function logs() {
    const all = readObjects("UserObject", (database): [string | undefined, unknown[]] => {
      const ids = rowsOf(database, "log").map((row) => row.message_id);
      return [nameOf(database), ids];
    });
    return new Map(all.filter(([, ids]) => ids.length > 0));
  }

  /** Returns the ids of all campaigns whose objects have anything stored. */
  const campaigns = () =>
    readObjects("CampaignObject", (database) =>
      rowsOf(database, "campaign").map(() => nameOf(database)),
    ).flat();

  /** Returns the users of each pacemaker that has any, with the slots in which they are called. */
  function pacemakers() {
    const all = readObjects("Pacemaker", (database): [string | undefined, Row[]] => [
      nameOf(database),
      rowsOf(database, "registered"),
    ]);
    return new Map(all.filter(([, users]) => users.length > 0));
  }

  function withObject<T>(
    userId: string,
    options: DatabaseSyncOptions,
    act: (database: DatabaseSync) => T,
  ) {
    const databases = open(options, "do", "switchboard-UserObject");
    const isIt = (database: DatabaseSync) => nameOf(database) === userId;
    try {
      const database = databases.find(isIt);
      return database && act(database);
    } finally {
      for (const database of databases) database.close();
    }
  }

  /** Queries a User object's storage. */
  const storage = (userId: string, sql: string): Row[] =>
    withObject(userId, { readOnly: true }, (database) => database.prepare(sql).all()) ?? [];

  /** Changes a User object's storage; the server must not be running. */
  const damage = (userId: string, sql: string) =>
    withObject(userId, {}, (database) => database.exec(sql));

  /** Corrupts a User object's database so that it cannot start; the server must not be running. */
  function ruin(userId: string) {
    const location = withObject(userId, {}, (database) => database.location());
    if (!location) throw new Error(`${userId} has no object`);
    for (const file of [`${location}-wal`, `${location}-shm`]) rmSync(file, { force: true });
    writeFileSync(location, "this is no database");
  }

  /** Returns the time of a User object's alarm, or null. */
  function alarm(userId: string) {
    // The local runtime stores it in nanoseconds.
    const [row] = storage(
      userId,
      "SELECT CAST(value AS TEXT) AS at FROM _cf_METADATA WHERE key = 1",
    );
    return row?.at ? Number(BigInt(row.at) / 1_000_000n) : null;
  }

  /**
   * Makes the local runtime forget a User object's alarm; the server must not be running. The object still believes
   * that it is set for `at`, in milliseconds, or knows of none.
   */
  function loseAlarm(userId: string, at?: number) {
    const forget = "DELETE FROM _cf_METADATA WHERE key = 1";
    const move = `UPDATE _cf_METADATA SET value = ${BigInt(at ?? 0) * 1_000_000n} WHERE key = 1`;
    const id = withObject(userId, {}, (database) => {
      database.exec(at === undefined ? forget : move);
      return path.basename(database.location() ?? "", ".sqlite");
    });
    const place = path.join(state, "v3", "do", "switchboard-UserObject", "metadata.sqlite");
    const scheduler = new DatabaseSync(place);
    scheduler.prepare("DELETE FROM _cf_ALARM WHERE actor_id = ?").run(id ?? "");
    scheduler.close();
  }

  const signed = (sub: string, key: string, claims: object = {}) =>
    signToken({ sub, exp: Math.floor(Date.now() / 1000) + 3600, ...claims }, key);
  const token = (sub: string, claims?: object) => signed(sub, secret, claims);

  return {
    url,
    /** The process that runs all others, while the server is up. */
    pid: () => child?.pid ?? 0,
    secret,
    signed,
    token,
    start,
    kill,
    freeze,
    close,
    d1,
    inShard,
    count,
    addUsers,
    storage,
    damage,
    ruin,
    logs,
    campaigns,
    pacemakers,
    logged,
    output: () => output.join(""),
    alarm,
    loseAlarm,
  };
}
