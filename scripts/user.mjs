// `npm run user`: adds, changes and lists users in the local or remote database.

import { parseArgs } from "node:util";

import { Failure, isMain, main, parseOrFail } from "./lib/project.mjs";
import { applyMigrations } from "./lib/shards.mjs";
import { checkUser, listUsers, upsertUser } from "./lib/users.mjs";
import { setup } from "./setup.mjs";

const usage = `usage: npm run user -- add ID [--role customer|contractor] [--name "..."] [--avatar-url URL]
       npm run user -- list
with --remote for the deployed database, or --persist-to DIR for local state elsewhere`;

const options = {
  role: { type: "string" },
  name: { type: "string" },
  "avatar-url": { type: "string" },
  "persist-to": { type: "string" },
  remote: { type: "boolean", default: false },
};

function database({ remote, "persist-to": folder }) {
  if (remote && folder) throw new Failure("--persist-to applies only to the local database");
  if (remote) return ["--remote"];
  return folder ? ["--local", `--persist-to=${folder}`] : ["--local"];
}

async function add(user, where) {
  await upsertUser(user, where);
  console.log(`${user.id} is in the ${where.includes("--remote") ? "remote" : "local"} database`);
}

async function list(where) {
  const users = await listUsers(where);
  for (const user of users) console.log(JSON.stringify(user));
}

if (isMain(import.meta)) {
  await main(async () => {
    const parse = () => parseArgs({ options, allowPositionals: true });
    const { values, positionals } = parseOrFail(parse, usage);
    const [command, id, ...rest] = positionals;
    const isAdd = command === "add" && id !== undefined && rest.length === 0;
    const isList = command === "list" && id === undefined;
    if (!isAdd && !isList) throw new Failure(usage);
    const where = database(values);
    const { role, name, "avatar-url": avatarUrl } = values;
    const user = { id, role, name, avatarUrl };
    if (isAdd) checkUser(user);
    await setup();
    // A remote database is never migrated implicitly: docs/deploy.md makes that an explicit step.
    if (!values.remote) await applyMigrations(where);
    await (isAdd ? add(user, where) : list(where));
  });
}
