// `npm run --silent token -- customer1`: prints a signed development token, and nothing else, to stdout.

import { parseArgs } from "node:util";

import { Failure, isMain, main, parseOrFail } from "./lib/project.mjs";
import { readSecret, signToken, tokenClaims } from "./lib/token.mjs";

const usage = `usage: npm run token -- USER [--role customer|contractor] [--name "..."] [--ttl 30s|15m|1h|7d]
       npm run token -- NAME --scope "messages:send ..."      (for the HTTP API)`;

const options = {
  role: { type: "string" },
  name: { type: "string" },
  scope: { type: "string" },
  ttl: { type: "string" },
};

if (isMain(import.meta)) {
  await main(() => {
    const parse = () => parseArgs({ options, allowPositionals: true });
    const { values, positionals } = parseOrFail(parse, usage);
    if (positionals.length !== 1) throw new Failure(usage);
    console.log(signToken(tokenClaims({ sub: positionals[0], ...values }), readSecret()));
  });
}
