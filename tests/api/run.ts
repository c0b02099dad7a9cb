// Serves the product and runs schemathesis against it. scripts/test-api.mjs starts it with a Node that is new
// enough for wrangler.

import { randomBytes } from "node:crypto";

import { Failure, inRoot, main, run, systemEnv } from "../../scripts/lib/project.mjs";
import { pythonProgram } from "../../scripts/lib/python.mjs";
import { createDevServer } from "../support/dev.ts";

/** Creates the users and the conversation that the examples in openapi.yaml refer to. */
async function addExamples({ url }: { url: string }, key: string) {
  const call = async (method: string, path: string, body: object) => {
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
  const key = randomBytes(32).toString("hex");
  // Every campaign that is created stays open.
  const server = await createDevServer({ API_KEY: key, MAX_OPEN_CAMPAIGNS: 0 });
  try {
    await server.start();
    await addExamples(server, key);
    await run(
      pythonProgram("schemathesis", "schemathesis"),
      [
        `--config-file=${inRoot("tests", "api", "schemathesis.toml")}`,
        "run",
        inRoot("openapi.yaml"),
        `--url=${server.url}`,
      ],
      {
        env: {
          ...systemEnv(),
          API_KEY: key,
          SCHEMATHESIS_HOOKS: inRoot("tests", "api", "hooks.py"),
        },
      },
    );
  } finally {
    await server.close();
  }
}

await main(check);
