// `npm run test:api`: the HTTP API against its description, openapi.yaml, by schemathesis, which makes
// up requests, good and bad ones, and checks the answers. Needs Python 3.10 or newer; what it runs is
// installed into .tools/python.

import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

import { Failure, capture, inRoot, isMain, main, run, systemEnv } from "./lib/project.mjs";
import { createDevServer } from "../tests/support/dev.mjs";

const requirements = inRoot("tests", "api", "requirements.txt");
const venv = inRoot(".tools", "python");
const installed = inRoot(".tools", "python", "requirements.sha256");

const digest = () => createHash("sha256").update(readFileSync(requirements)).digest("hex");

async function ensureSchemathesis() {
  if (existsSync(installed) && readFileSync(installed, "utf8") === digest()) return;
  console.log("installing schemathesis into .tools/python (once; usually half a minute) ...");
  const env = { ...systemEnv(), PIP_DISABLE_PIP_VERSION_CHECK: "1" };
  const found = await capture("python3", ["--version"], { env }).catch(() => null);
  if (found?.code !== 0) throw new Failure("python3 (3.10 or newer) was not found");
  await run("python3", ["-m", "venv", "--clear", venv], { env });
  const pip = inRoot(".tools", "python", "bin", "pip");
  await run(pip, ["install", "--quiet", `--requirement=${requirements}`], { env });
  writeFileSync(installed, digest());
}

/** The users and the conversation that openapi.yaml's examples name. */
async function addExamples({ url }, key) {
  const call = async (method, path, body) => {
    const headers = { Authorization: `Bearer ${key}` };
    const response = await fetch(url + path, { method, headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Failure(`${path}: ${await response.text()}`);
  };
  await call("PUT", "/v1/users/contractor1", { role: "contractor" });
  for (const id of ["customer1", "customer2"]) await call("PUT", `/v1/users/${id}`, {});
  const content = { text: "hello" };
  const message = { senderId: "contractor1", messageType: "text", content };
  await call("POST", "/v1/messages", { ...message, receiverId: "customer1" });
}

async function check() {
  if (!existsSync(inRoot("dist", "index.js"))) {
    throw new Failure("dist/ is missing: run `npm test -- --only build` first");
  }
  const key = randomBytes(32).toString("hex");
  const server = await createDevServer({ API_KEY: key });
  try {
    await server.start();
    await addExamples(server, key);
    await run(
      inRoot(".tools", "python", "bin", "schemathesis"),
      [
        `--config-file=${inRoot("tests", "api", "schemathesis.toml")}`,
        "run",
        inRoot("openapi.yaml"),
        `--url=${server.url}`,
      ],
      { env: { ...systemEnv(), API_KEY: key, SCHEMATHESIS_HOOKS: "" } },
    );
  } finally {
    await server.close();
  }
}

if (isMain(import.meta)) {
  await main(async () => {
    await ensureSchemathesis();
    await check();
  });
}
