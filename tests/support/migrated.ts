// Local state in which the databases of the record have all migrations. wrangler takes seconds to apply them to one
// database, and nearly all tests need the same ones. So they are applied once, and every server gets a copy.

import { createHash } from "node:crypto";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import path from "node:path";

import { inRoot } from "../../scripts/lib/project.mjs";
import { migration, shardsIn } from "../../scripts/lib/shards.mjs";

const kept = inRoot(".wrangler", "migrated");

/** Returns the name of the state: it changes with the migrations, the databases, and wrangler's version. */
function nameOf(toml: string) {
  const databases = toml.match(/^\[\[d1_databases\]\]\n(?:.+\n)+/gm) ?? [];
  const files = readdirSync(inRoot("migrations")).sort();
  const migrations = files.map((file) => readFileSync(inRoot("migrations", file), "utf8"));
  const versions = readFileSync(inRoot("package-lock.json"), "utf8");
  const parts = [databases, shardsIn(toml), files, migrations, versions];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

async function migrate(config: string, toml: string, state: string, env: NodeJS.ProcessEnv) {
  const where = ["--local", `--config=${config}`, `--persist-to=${state}`];
  for (const database of shardsIn(toml)) {
    const [command, args] = migration(database, where);
    const [code] = await once(spawn(command, args, { env, stdio: "ignore" }), "close");
    if (code !== 0) throw new Error(`the migrations exited with code ${code}`);
  }
}

/** Keeps the state under its name, unless another process was faster: then theirs is the same. */
function keep(made: string, place: string) {
  try {
    renameSync(made, place);
  } catch (error) {
    if (!existsSync(place)) throw error;
    rmSync(made, { recursive: true });
  }
}

/** Creates the folder `state` for a server with this wrangler.toml. */
export async function createState(config: string, state: string, env: NodeJS.ProcessEnv) {
  const toml = readFileSync(config, "utf8");
  const place = path.join(kept, nameOf(toml));
  if (!existsSync(place)) {
    mkdirSync(kept, { recursive: true });
    const made = mkdtempSync(path.join(kept, "new-"));
    await migrate(config, toml, made, env);
    keep(made, place);
  }
  cpSync(place, state, { recursive: true });
}
