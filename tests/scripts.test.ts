// The developer scripts: tokens, users, and the output of a deploy's dry run in dist/.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";

import { foreignPackages, readAudit } from "../scripts/audit.mjs";
import { checkOrigins } from "../scripts/deploy.mjs";
import { describeLimits, limitArguments, mergeLimits } from "../scripts/lib/limits.mjs";
import { capture, inRoot, toolEnv } from "../scripts/lib/project.mjs";
import { secretIn } from "../scripts/lib/secret.mjs";
import { applyMigrations, shardsIn } from "../scripts/lib/shards.mjs";
import { parseTtl, signToken, tokenClaims } from "../scripts/lib/token.mjs";
import { execute } from "../scripts/lib/users.mjs";
import { vapid } from "../src/platform/web_push.js";
import { oldRecord } from "./support/old-record.ts";
import { readVapid } from "./support/push-browser.ts";

const secret = "a secret that is only good for tests";
const env = { ...toolEnv(), JWT_SECRET: secret };
const script = (name: string, ...args: string[]) =>
  capture(process.execPath, [inRoot("scripts", `${name}.mjs`), ...args], { env });
const claimsOf = (token: string) =>
  JSON.parse(String(Buffer.from(token.split(".")[1] ?? "", "base64url")));

test("the databases of the record are those in wrangler.toml", () => {
  assert.deepEqual(shardsIn('[vars]\n# RECORD_SHARDS = "A,B"\n'), ["DB"]);
  assert.deepEqual(shardsIn('[vars]\nRECORD_SHARDS = "DB, DB_1"\n'), ["DB", "DB_1"]);
});

describe("npm run token", () => {
  test("prints one signed token and nothing else", async () => {
    const args = ["customer1", "--role", "contractor", "--name", "Zoë", "--ttl", "15m"];
    const { code, stdout, stderr } = await script("token", ...args);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });

    const [header, claims, signature] = stdout.trimEnd().split(".");
    const mac = createHmac("sha256", secret).update(`${header}.${claims}`).digest("base64url");
    assert.equal(signature, mac);
    assert.deepEqual(JSON.parse(String(Buffer.from(header ?? "", "base64url"))), {
      alg: "HS256",
      typ: "JWT",
    });

    const { sub, role, name, iat, exp } = claimsOf(stdout);
    assert.deepEqual({ sub, role, name }, { sub: "customer1", role: "contractor", name: "Zoë" });
    assert.equal(exp - iat, 15 * 60);
    assert.ok(Math.abs(iat - Date.now() / 1000) < 60);
  });

  test("omits claims that were not given, and is valid for an hour", () => {
    const claims = claimsOf(signToken(tokenClaims({ sub: "u" }), secret));
    assert.deepEqual(Object.keys(claims), ["sub", "iat", "exp"]);
    assert.equal(claims.exp - claims.iat, 3600);
  });

  test("a token with scopes is one for the HTTP API", () => {
    const { aud, scope } = tokenClaims({ sub: "backend", scope: "messages:send admin" });
    assert.deepEqual({ aud, scope }, { aud: "switchboard", scope: "messages:send admin" });
    assert.throws(() => tokenClaims({ sub: "backend", scope: "service" }), /the scopes are/);
  });

  test("parses lifetimes", () => {
    assert.deepEqual(["30s", "15m", "1h", "7d"].map(parseTtl), [30, 900, 3600, 604_800]);
    for (const bad of ["", "0s", "-1h", "1", "h", "1w", "1.5h", "1h "]) {
      assert.throws(() => parseTtl(bad), /--ttl is/, bad);
    }
  });

  test("a user id has 1 to 128 characters of any byte length, and no control characters", () => {
    for (const sub of ["a", "é 😀 'x'", "😀".repeat(128)])
      assert.equal(tokenClaims({ sub }).sub, sub);
    for (const sub of [undefined, "", "a\nb", "\u0085", "x".repeat(129)]) {
      assert.throws(() => tokenClaims({ sub }), /1 to 128 characters/);
    }
  });

  test("refuses invalid arguments", async () => {
    for (const args of [
      [],
      ["a", "b"],
      ["a", "--role", "boss"],
      ["a", "--nope"],
      ["a", "--ttl", "x"],
    ]) {
      const { code, stdout, stderr } = await script("token", ...args);
      assert.deepEqual({ code, stdout }, { code: 1, stdout: "" }, args.join(" "));
      assert.match(stderr, /^error: /);
    }
  });
});

test(".dev.vars is read like other dotenv files", () => {
  const cases = {
    "JWT_SECRET=abc": "abc",
    "A=1\nexport JWT_SECRET = 'a b # c' # d\r\n": "a b # c",
    'JWT_SECRET="x=y"\n': "x=y",
    "JWT_SECRET=abc # a comment\nB=2": "abc",
    "JWT_SECRET=": "",
    "#JWT_SECRET=abc\nMY_JWT_SECRET=def": "",
  };
  for (const [text, expected] of Object.entries(cases))
    assert.equal(secretIn(text), expected, text);
});

describe("the limits of npm start", () => {
  const merge = (given: object) => mergeLimits({ toml: "", devVars: "", args: [], ...given });

  test("are generous by default", () => {
    const limits = merge({});
    const generous = ["MAX_BULK_SENDS_PER_MINUTE:600", "MAX_CONNECTIONS_PER_USER:1000"];
    assert.deepEqual(
      limitArguments(limits),
      generous.flatMap((limit) => ["--var", limit]),
    );
    assert.match(describeLimits(limits), /^ {2}MAX_BULK_SENDS_PER_MINUTE 600 \(local default\)$/m);
  });

  test("can be set in .dev.vars, wrangler.toml or --var", () => {
    const limits = merge({
      toml: '[vars]\nMAX_TEXT_CHARS = 50 # few\nMAX_STATUS_USERS = "9"\n\n[x]\nMAX_CONTENT_BYTES = 1\n',
      devVars: "MAX_BULK_SENDS_PER_MINUTE=7\nexport MAX_STATUS_USERS='3'\n#EVENT_BURST=1\n",
      args: ["--var", "MAX_CONNECTIONS_PER_USER:0", "--var=MAX_BULK_SENDS_PER_MINUTE:8"],
    });
    // wrangler already knows explicit settings, so they are not passed again.
    assert.deepEqual(limitArguments(limits), []);
    assert.deepEqual(describeLimits(limits).split("\n"), [
      "  MAX_BULK_SENDS_PER_MINUTE 8 (--var)",
      "  MAX_CONNECTIONS_PER_USER off (--var)",
      "  MAX_TEXT_CHARS 50 (wrangler.toml)",
      "  MAX_STATUS_USERS 3 (.dev.vars)",
    ]);
    // An empty value counts as unset.
    assert.deepEqual(merge({ devVars: "MAX_BULK_SENDS_PER_MINUTE=\n" }), merge({}));
  });
});

describe("npm run vapid", () => {
  test("prints the variables of Web Push, with keys that belong together", async () => {
    const { code, stdout } = await script("vapid", "mailto:push@example.com");
    assert.equal(code, 0);
    const lines = stdout.trimEnd().split("\n");
    const { VAPID_PUBLIC_KEY, VAPID_PRIVATE_KEY, VAPID_SUBJECT, ...more } = Object.fromEntries(
      lines.map((line) => line.split("=")),
    );
    assert.deepEqual([VAPID_SUBJECT, more], ["mailto:push@example.com", {}]);
    const [service, expires] = ["https://push.example", 2_000_000_000];
    const signed = vapid(service, VAPID_SUBJECT, VAPID_PUBLIC_KEY, VAPID_PRIVATE_KEY, expires);
    assert.ok(readVapid(await signed).isGenuine);
  });

  test("wants to know whom a push service can ask", async () => {
    for (const args of [[], ["push@example.com"], ["mailto:a@b.example", "more"]]) {
      const { code, stdout, stderr } = await script("vapid", ...args);
      assert.deepEqual({ code, stdout }, { code: 1, stdout: "" });
      assert.match(stderr, /usage: npm run vapid/);
    }
  });
});

describe("npm run user", () => {
  const state = mkdtempSync(path.join(tmpdir(), "switchboard-users-"));
  after(() => rmSync(state, { recursive: true, force: true }));
  const user = (...args: string[]) => script("user", ...args, `--persist-to=${state}`);
  const list = async () => {
    const { code, stdout, stderr } = await user("list");
    assert.equal(code, 0, stderr);
    const lines = stdout.split("\n").filter(Boolean);
    return lines.map((line) => JSON.parse(line)).map(({ created_at: _, ...rest }) => rest);
  };

  test("adds users with any name, and changes only what is given", async () => {
    const id = `o'brien "; DROP TABLE users; --`;
    const name = `Zoë "O'Brien"; DELETE FROM users; -- 😀 \\`;
    const first = await user("add", id, "--role", "contractor", "--name", name);
    assert.equal(first.code, 0, first.stderr);
    assert.deepEqual(await list(), [{ user_id: id, role: "contractor", name, avatar_url: null }]);

    const avatar = "https://example.com/a.png?b=c&d='e'";
    assert.equal((await user("add", id, "--avatar-url", avatar)).code, 0);
    assert.deepEqual(await list(), [{ user_id: id, role: "contractor", name, avatar_url: avatar }]);

    assert.equal((await user("add", id, "--role", "customer")).code, 0);
    assert.equal((await user("add", "plain")).code, 0);
    assert.deepEqual(await list(), [
      { user_id: id, role: "customer", name, avatar_url: avatar },
      { user_id: "plain", role: "customer", name: null, avatar_url: null },
    ]);
  });

  test("refuses invalid arguments", async () => {
    const add = ["add", "a"];
    const urls = [
      "javascript:alert(1)",
      "http://example.com",
      "https://",
      "https://a@b",
      "https:/a",
    ];
    for (const args of [
      ["add"],
      [...add, "--role", "boss"],
      ["add", "a\nb"],
      ["drop", "a"],
      ...urls.map((url) => [...add, "--avatar-url", url]),
    ]) {
      const { code, stderr } = await user(...args);
      assert.equal(code, 1, args.join(" "));
      assert.match(stderr, /^error: /);
    }
  });
});

describe("npm run migrate-record", () => {
  const state = mkdtempSync(path.join(tmpdir(), "switchboard-record-"));
  after(() => rmSync(state, { recursive: true, force: true }));
  const where = ["--local", `--persist-to=${state}`];
  const migrate = (...args: string[]) => script("migrate-record", ...where, ...args);

  test("moves everything, in batches; a row of somebody else stops it", async () => {
    await applyMigrations(where);
    const { statements } = oldRecord("c", ["a", "b", "ü 字"], ["x'y; --", "z"]);
    const foreign =
      "INSERT INTO old_messages SELECT conversation_id, 'm', 'c', 'a', 'text', '{}', NULL, 0 " +
      "FROM old_conversations ORDER BY conversation_id DESC LIMIT 1";
    await execute([...statements, foreign].join(";\n"), where);
    const failed = await migrate("--rows=2");
    assert.equal(failed.code, 1);
    assert.match(failed.stdout, /^moved \d+ %\n/);
    assert.match(failed.stderr, /NOT NULL constraint failed: \w+\.\w+_id/);
    await execute("DELETE FROM old_messages WHERE message_id = 'm'", where);
    const moved = await migrate();
    assert.deepEqual(moved, {
      code: 0,
      stdout: "the record is in the tables of today\n",
      stderr: "",
    });
    const counts =
      "SELECT (SELECT count(*) FROM messages) AS messages, " +
      "(SELECT count(*) FROM contents) AS contents, (SELECT count(*) FROM old_messages) AS old";
    const [{ results }] = await execute(counts, where);
    assert.deepEqual(results, [{ messages: 6, contents: 2, old: 0 }]);
  });

  test("refuses invalid arguments", async () => {
    for (const args of [[], ["--local", "--remote"], ["--local", "--rows=0"]]) {
      const { code, stderr } = await script("migrate-record", ...args);
      assert.equal(code, 1, args.join(" "));
      assert.match(stderr, /^error: usage: npm run migrate-record/);
    }
  });
});

describe("npm run deploy", () => {
  const config = path.join(mkdtempSync(path.join(tmpdir(), "switchboard-")), "wrangler.toml");
  after(() => rmSync(path.dirname(config), { recursive: true }));
  const vars = (name: string, origins: string) =>
    `[${name}]\n${origins === "" ? "" : `ALLOWED_ORIGINS = "${origins}"\n`}`;
  writeFileSync(
    config,
    [
      'name = "x"\nmain = "x.js"\ncompatibility_date = "2026-10-01"\n',
      vars("vars", "https://www.example.com"),
      vars("env.open.vars", "*"),
      vars("env.unset.vars", ""),
    ].join("\n"),
  );
  const refused = (...args: string[]) =>
    assert.rejects(checkOrigins(args), /ALLOWED_ORIGINS is "\*", which is for local work/);

  test("refuses to let the pages of any origin connect", async () => {
    // As the repository is, for local work.
    await refused();
    await checkOrigins([`--config=${config}`]);
    await checkOrigins(["-c", config, "--env="]);
    for (const env of ["open", "unset"]) await refused(`--config=${config}`, "--env", env);
    await refused("-c", config, "--var", "ALLOWED_ORIGINS:*");
    await checkOrigins(["-c", config, "-e", "open", "--var", "ALLOWED_ORIGINS:https://a.example"]);
  });

  test("does so before anything else", async () => {
    const { code, stderr } = await script("deploy");
    assert.equal(code, 1);
    assert.match(stderr, /^error: ALLOWED_ORIGINS is "\*"/);
  });
});

describe("npm run audit", () => {
  test("finds packages from elsewhere", () => {
    const packages = {
      "": {},
      a: { integrity: "sha512-x" },
      b: { resolved: "client", link: true },
      c: { resolved: "git+ssh://git@example.com/c.git" },
      d: { resolved: "https://example.com/d.tgz" },
    };
    assert.deepEqual(foreignPackages({ packages }), ["c", "d"]);
  });

  test("tells serious vulnerabilities from no answer", () => {
    const vulnerabilities = { a: { severity: "critical" }, b: { severity: "low" } };
    const found = { auditReportVersion: 2, vulnerabilities };
    assert.deepEqual(readAudit(JSON.stringify(found)), { serious: ["a"] });
    assert.deepEqual(readAudit('{"message":"405 Method Not Allowed"}'), {
      reason: "405 Method Not Allowed",
    });
    for (const output of ["", "<html>", "{}"]) {
      assert.deepEqual(readAudit(output), { reason: "no answer" });
    }
  });
});

test("the dry run of a deploy leaves one module and its wasm in dist/", () => {
  const files = readdirSync(inRoot("dist"));
  const wasm = files.filter((name) => name.endsWith(".wasm"));
  assert.equal(wasm.length, 1);
  const code = readFileSync(inRoot("dist", "index.js"), "utf8");
  assert.ok(code.includes(wasm[0]), "index.js imports the wasm");
  const exported = [...code.matchAll(/export\s*\{([^}]*)\}/g)].flatMap(([, list]) =>
    list.split(","),
  );
  const names = exported.map((entry) =>
    entry
      .trim()
      .split(/\s+as\s+/)
      .at(-1),
  );
  for (const name of ["UserObject", "PollingGateway", "CampaignObject", "Pacemaker", "default"]) {
    assert.ok(names.includes(name), `index.js exports ${name}`);
  }
});
