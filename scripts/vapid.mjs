// `npm run --silent vapid -- mailto:you@example.com`: makes the keys of Web Push and prints the three variables, ready
// for .dev.vars. How to set them on a deployed server goes to stderr. Nothing is stored.

import { parseArgs } from "node:util";

import { Failure, isMain, main, parseOrFail } from "./lib/project.mjs";
import { vapidKeys } from "./lib/vapid.mjs";

const usage =
  "usage: npm run vapid -- mailto:ADDRESS | https://URL   (whom a push service can ask)";

const isContact = (text) => /^(mailto:.+@.+|https:\/\/.+)$/.test(text);

const toDeploy = `
For local work, put these three lines into .dev.vars. For a deployed server, set the public key and the subject in
[vars] in wrangler.toml, and the private key, which nobody else may know, by:

  npx wrangler secret put VAPID_PRIVATE_KEY

Keep the pair: browsers have to subscribe again when the public key changes.`;

if (isMain(import.meta)) {
  await main(async () => {
    const parse = () => parseArgs({ allowPositionals: true });
    const [subject, ...rest] = parseOrFail(parse, usage).positionals;
    if (!subject || !isContact(subject) || rest.length > 0) throw new Failure(usage);
    const { publicKey, privateKey } = await vapidKeys();
    console.log(`VAPID_PUBLIC_KEY=${publicKey}`);
    console.log(`VAPID_PRIVATE_KEY=${privateKey}`);
    console.log(`VAPID_SUBJECT=${subject}`);
    console.error(toDeploy);
  });
}
