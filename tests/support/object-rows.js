// Wraps the built Worker (tests/support/dev.ts): logs the rows that each User object writes, as the platform bills them.
// Setting an alarm counts as one.

import { UserObject as Inner } from "./index.js";

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

export class UserObject extends Inner {
  constructor(ctx, env) {
    const log = (rows) => {
      if (rows > 0) console.log(JSON.stringify({ what: "rows_written", user: ctx.id.name, rows }));
    };
    watch(ctx.storage.sql, "exec", (cursor) => log(cursor.rowsWritten));
    watch(ctx.storage, "setAlarm", () => log(1));
    super(ctx, env);
  }
}
