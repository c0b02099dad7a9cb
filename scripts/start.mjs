// `npm start`: takes a fresh clone to a running server on this machine.
// Takes PORT or --port, and --persist-to DIR; all other arguments are passed on to `wrangler dev`.

import { createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

import { describeLimits, limitArguments, localLimits } from "./lib/limits.mjs";
import {
  Failure,
  defaultPort,
  inRoot,
  isMain,
  main,
  nodeScript,
  start,
  wrangler,
} from "./lib/project.mjs";
import { moveRecord } from "./lib/record.mjs";
import { applyMigrations } from "./lib/shards.mjs";
import { runQuietly, step } from "./lib/steps.mjs";
import { localSecret, signToken, tokenClaims } from "./lib/token.mjs";
import { addMissingUsers, demoUsers } from "./lib/users.mjs";
import { compileAhead, currentProfile } from "./build.mjs";
import { setup } from "./setup.mjs";

const pollEveryMs = 150;
const linkLasts = "12h";
const linkedUsers = 2;
const say = (text) => console.log(`start: ${text}`);

/** Splits `--name value` or `--name=value` from the other arguments. */
function takeOption(args, name) {
  const at = args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`));
  if (at < 0) return { rest: args };
  const isJoined = args[at] !== name;
  const value = isJoined ? args[at].slice(name.length + 1) : args[at + 1];
  if (!value) throw new Failure(`${name} needs a value`);
  return { value, rest: args.toSpliced(at, isJoined ? 1 : 2) };
}

function readArguments(args) {
  const persist = takeOption(args, "--persist-to");
  const port = takeOption(persist.rest, "--port");
  const number = Number(port.value ?? process.env.PORT ?? defaultPort);
  if (!Number.isInteger(number) || number < 1 || number > 65_535) {
    throw new Failure("the port must be a number from 1 to 65535");
  }
  const state = persist.value ? [`--persist-to=${persist.value}`] : [];
  return { port: number, state, others: port.rest };
}

// If the port is taken, wrangler picks another one, and this script would talk to the wrong server.
async function requireFreePort(port) {
  // "localhost" may resolve to either.
  for (const address of ["127.0.0.1", "::1"]) {
    const code = await listens(port, address);
    if (code === null || code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT") continue;
    throw new Failure(
      `port ${port} cannot be used (${code}): stop the program that uses it, or set PORT`,
    );
  }
}

/** Tries to listen there: returns null, or the error's code. */
async function listens(port, address) {
  const server = createServer();
  const code = await new Promise((resolve) => {
    server.once("error", (error) => resolve(error.code));
    server.listen(port, address, () => resolve(null));
  });
  if (code === null) await new Promise((resolve) => server.close(resolve));
  return code;
}

/** wrangler would build as well, and show every line of it. */
async function buildWorker() {
  await step("Building the Worker", () =>
    runQuietly(...nodeScript(inRoot("scripts", "build.mjs"))),
  );
}

async function prepareDatabase(state) {
  const where = ["--local", ...state];
  await step("Applying the D1 migrations and adding the demo users", async () => {
    await applyMigrations(where);
    if (await addMissingUsers(demoUsers, where)) await moveRecord(where, { report() {} });
  });
}

/** Returns null if the server is ready, "" if it does not answer yet, or the text of its error. */
async function problem(url) {
  const response = await fetch(url).catch(() => null);
  const text = await response?.text().catch(() => null);
  if (response?.status === 200) return null;
  return response?.status === 500 ? (text ?? "") : "";
}

/** Resolves when the server is ready, or when `signal` is aborted because the server has exited. */
async function untilServing(address, signal) {
  let told = "";
  while (!signal.aborted) {
    const found = await problem(`${address}/socket.io/?EIO=4&transport=polling`);
    if (found === null) return;
    // A bad variable stays until the user fixes it; then wrangler restarts the Worker.
    if (found && found !== told) say(`the server cannot serve requests: ${found}`);
    told = found || told;
    await pause(pollEveryMs);
  }
}

/** Returns links that sign in to the console: the token is in the fragment, which no server ever sees. */
function links(address) {
  const secret = localSecret();
  const linkOf = ({ id: sub, role, name }) => {
    const token = signToken(tokenClaims({ sub, role, name, ttl: linkLasts }), secret);
    return `  ${sub}\n    ${address}/#token=${token}`;
  };
  return demoUsers.slice(0, linkedUsers).map(linkOf).join("\n");
}

function greeting(address, limits) {
  const url = address.endsWith(`:${defaultPort}`) ? "" : ` --url ${address}`;
  return `
Switchboard is serving at ${address}

The console, signed in for ${linkLasts} (open both, and write from one to the other):
${links(address)}

Or run clients, each in its own terminal:
  node examples/test-client.js customer1${url}
  node examples/test-client.js customer1${url}      (the same user again: connectionCount 2)
  node examples/test-client.js contractor1${url}    (then: bulk customer1,customer2 Hello!)

A token for your own client:  npm run --silent token -- customer1

Limits on this machine; change them in .dev.vars (full list: docs/configuration.md):
${describeLimits(limits)}

Stop it with Ctrl-C.
`;
}

async function serve({ port, state, others }) {
  say("starting the Worker ...");
  const limits = localLimits(others);
  const fixed = [
    `--port=${port}`,
    "--show-interactive-dev-session=false",
    ...limitArguments(limits),
  ];
  const { ended } = start(...wrangler("dev", ...fixed, ...state, ...others));
  const stopped = new AbortController();
  const code = ended.then(({ code }) => {
    stopped.abort();
    return code;
  });
  const address = `http://localhost:${port}`;
  await untilServing(address, stopped.signal);
  if (!stopped.signal.aborted) console.log(greeting(address, limits));
  process.exitCode = await code;
}

export async function startServing(args) {
  const settings = readArguments(args);
  await requireFreePort(settings.port);
  // To try it, a build that takes half of the time is good enough; but one that is there will do, too.
  process.env.SWITCHBOARD_PROFILE ??= currentProfile() ?? "dev";
  await setup(compileAhead);
  await buildWorker();
  await prepareDatabase(settings.state);
  await serve(settings);
}

if (isMain(import.meta)) await main(() => startServing(process.argv.slice(2)));
