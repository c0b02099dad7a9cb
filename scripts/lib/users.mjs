// Reads and writes the table `users` in D1 (migrations/) through wrangler. Every database of the record has it.

import { Failure, wrangler } from "./project.mjs";
import { inEachShard, recordShards } from "./shards.mjs";
import { runQuietly } from "./steps.mjs";

export const roles = ["customer", "contractor"];

export const demoUsers = [
  { id: "contractor1", role: "contractor", name: "Contractor One" },
  { id: "customer1", role: "customer", name: "Customer One" },
  { id: "customer2", role: "customer", name: "Customer Two" },
  { id: "customer3", role: "customer", name: "Customer Three" },
];

const longestUserId = 128;
const controlCharacter = /\p{Cc}/u;

export function checkUserId(id) {
  const length = [...(id ?? "")].length;
  if (length >= 1 && length <= longestUserId && !controlCharacter.test(id)) return;
  throw new Failure(`a user id has 1 to ${longestUserId} characters and no control characters`);
}

export function checkRole(role) {
  if (!roles.includes(role))
    throw new Failure(`the role must be ${roles.join(" or ")}, not "${role}"`);
}

function checkText(text, what) {
  if (text && controlCharacter.test(text))
    throw new Failure(`${what} contains a control character`);
}

/** The same rule as src/core/web_url.rs. */
const webUrl =
  /^(?:https:\/\/[^\s\p{Cc}\\/?#@:][^\s\p{Cc}\\/?#@]*|http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d*)?)(?:[/?#][^\s\p{Cc}\\]*)?$/iu;

function checkUrl(text, what) {
  if (text === undefined || webUrl.test(text)) return;
  throw new Failure(`${what} must be an https URL, or http on localhost, not "${text}"`);
}

export function checkUser({ id, role, name, avatarUrl }) {
  checkUserId(id);
  if (role !== undefined) checkRole(role);
  checkText(name, "the name");
  checkUrl(avatarUrl, "the avatar URL");
}

const literal = (text) => (text === undefined ? "NULL" : `'${text.replaceAll("'", "''")}'`);

function insertSql({ id, role = "customer", name, avatarUrl }) {
  const values = [id, role, name, avatarUrl].map(literal).join(", ");
  return (
    "INSERT INTO users (user_id, role, name, avatar_url, created_at) " +
    `VALUES (${values}, ${Date.now()})`
  );
}

/** Returns SQL that adds a user, or updates only the given fields of an existing one. */
export function upsertSql(user) {
  const columns = { role: user.role, name: user.name, avatar_url: user.avatarUrl };
  const given = Object.keys(columns).filter((column) => columns[column] !== undefined);
  const changes = given.map((column) => `${column} = excluded.${column}`).join(", ");
  const action = changes ? `DO UPDATE SET ${changes}` : "DO NOTHING";
  return `${insertSql(user)} ON CONFLICT (user_id) ${action}`;
}

/** `where` holds wrangler's d1 options: --local, --remote, --persist-to=DIR. */
export async function upsertUser(user, where) {
  await inEachShard((database) => execute(upsertSql(user), where, { database }));
}

/** Leaves existing users unchanged. Returns whether a database has a record to move (lib/record.mjs). */
export async function addMissingUsers(users, where) {
  const inserts = users.map((user) => `${insertSql(user)} ON CONFLICT DO NOTHING`);
  const ask = "SELECT EXISTS (SELECT 1 FROM old_conversations) AS found";
  const sql = [...inserts, ask].join(";\n");
  const all = await inEachShard((database) => execute(sql, where, { database }));
  return all.some((results) => results.at(-1).results[0].found === 1);
}

export async function listUsers(where) {
  const sql = "SELECT user_id, role, name, avatar_url, created_at FROM users ORDER BY user_id";
  const [database] = recordShards();
  const [{ results }] = await execute(sql, where, { database });
  return results;
}

/** Runs statements in one transaction. Returns D1's result of each. `database` is a binding. */
export async function execute(
  sql,
  where,
  { database = "DB", problem = "the database returned an error" } = {},
) {
  const command = ["d1", "execute", database, ...where, "--json", `--command=${sql}`];
  return JSON.parse(await runQuietly(...wrangler(...command), { problem }));
}
