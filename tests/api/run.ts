// Serves the product and runs schemathesis against it. scripts/test-api.mjs starts it with a Node that is new
// enough for wrangler.

import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Failure, inRoot, main, run, systemEnv } from "../../scripts/lib/project.mjs";
import { pythonProgram } from "../../scripts/lib/python.mjs";
import { createDevServer } from "../support/dev.ts";

/** The campaign that the examples in openapi.yaml refer to. */
const exampleCampaign = "019a0000-0000-7000-8000-000000000002";

/**
 * Creates the users, the conversation and the campaign that the examples in openapi.yaml refer to. Returns the
 * campaign's id, which the server chooses.
 */
async function addExamples({ url }: { url: string }, key: string) {
  const call = async (method: string, path: string, body: object) => {
    const headers = { Authorization: `Bearer ${key}` };
    const response = await fetch(url + path, { method, headers, body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Failure(`${path}: ${text}`);
    return JSON.parse(text);
  };
  await call("PUT", "/v1/users/contractor1", { role: "contractor" });
  for (const id of ["customer1", "customer2"]) await call("PUT", `/v1/users/${id}`, {});
  const content = { text: "hello" };
  const message = { senderId: "contractor1", messageType: "text", content };
  await call("POST", "/v1/messages", { ...message, receiverId: "customer1" });
  const { campaignId } = await call("POST", "/v1/campaigns", message);
  return campaignId as string;
}

async function check() {
  const key = randomBytes(32).toString("hex");
  const server = await createDevServer({
    API_KEY: key,
    // Every campaign that is created stays open.
    MAX_OPEN_CAMPAIGNS: 0,
    // Without a webhook there is nothing to replay. Nobody listens there.
    WEBHOOK_URL: "http://127.0.0.1:9",
    WEBHOOK_SECRET: `whsec_${randomBytes(32).toString("base64")}`,
  });
  const folder = mkdtempSync(join(tmpdir(), "switchboard-"));
  const description = join(folder, "openapi.yaml");
  try {
    await server.start();
    const campaignId = await addExamples(server, key);
    const text = readFileSync(inRoot("openapi.yaml"), "utf8");
    writeFileSync(description, text.replaceAll(exampleCampaign, campaignId));
    await run(
      pythonProgram("schemathesis", "schemathesis"),
      [
        `--config-file=${inRoot("tests", "api", "schemathesis.toml")}`,
        "run",
        description,
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
    rmSync(folder, { recursive: true, force: true });
  }
}

await main(check);
