// Wraps the built Worker (tests/support/dev.ts): logs the rows that each object of a user, a campaign or a pacemaker
// writes, as the platform bills them. Setting an alarm counts as one. Also logs what wakes each user's object.

import {
  CampaignObject as InnerCampaign,
  Pacemaker as InnerPacemaker,
  UserObject as InnerUser,
} from "./index.js";

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

/** The entries of a user's object. An object that its alarm has woken does not know its name. */
const entries = ["fetch", "alarm", "call", "webSocketMessage", "webSocketClose", "webSocketError"];

export class UserObject extends InnerUser {
  constructor(ctx, env) {
    watchRows(ctx, "rows_written");
    super(ctx, env);
  }
}

for (const entry of entries) {
  UserObject.prototype[entry] = function (...args) {
    const path = entry === "call" ? args[0] : undefined;
    console.log(JSON.stringify({ what: "user_woken", by: entry, path, name: this.ctx.id.name }));
    return InnerUser.prototype[entry].apply(this, args);
  };
}

export class CampaignObject extends InnerCampaign {
  constructor(ctx, env) {
    watchRows(ctx, "campaign_rows_written");
    super(ctx, env);
  }
}

export class Pacemaker extends InnerPacemaker {
  constructor(ctx, env) {
    watchRows(ctx, "pacemaker_rows_written");
    super(ctx, env);
  }
}
