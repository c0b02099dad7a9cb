// Wraps the built Worker (tests/support/dev.ts): logs the rows that each object of a user or a campaign writes, as the
// platform bills them. Setting an alarm counts as one.

import { CampaignObject as InnerCampaign, UserObject as InnerUser } from "./index.js";

export * from "./index.js";
export { default } from "./index.js";

/** Calls `count` with the result of each call of `object[name]`. */
function watch(object, name, count) {
  const method = object[name];
  object[name] = (...args) => {
    const result = method.apply(object, args);
    count(result);
    return result;
  };
}

/** Logs what is written to the storage under `what`. */
function watchRows({ storage, id: { name } }, what) {
  const log = (rows, more) => {
    if (rows > 0) console.log(JSON.stringify({ what, name, rows, ...more }));
  };
  watch(storage.sql, "exec", (cursor) => log(cursor.rowsWritten));
  watch(storage, "setAlarm", () => log(1, { isAlarm: true }));
}

export class UserObject extends InnerUser {
  constructor(ctx, env) {
    watchRows(ctx, "rows_written");
    super(ctx, env);
  }
}

export class CampaignObject extends InnerCampaign {
  constructor(ctx, env) {
    watchRows(ctx, "campaign_rows_written");
    super(ctx, env);
  }
}
