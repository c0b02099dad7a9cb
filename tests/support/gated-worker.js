// The built Worker, whose User objects ask a gate (gate.ts) before they take a message, and before they call one of
// several databases. So do pacemakers before they register a user, and before their alarms.

import Worker, {
  CampaignObject,
  Pacemaker as InnerPacemaker,
  PollingGateway,
  UserObject as Inner,
} from "./index.js";

export { CampaignObject, PollingGateway };
export default Worker;

async function pass(env, name) {
  const { ok } = await fetch(`${env.GATE_URL}/${encodeURIComponent(name)}`);
  if (!ok) throw new Error("the gate is shut");
}

/** Returns a database that asks before it runs a batch. */
function gated(env, name) {
  const database = env[name];
  // The wasm looks at the class of a binding.
  return Object.assign(Object.create(Object.getPrototypeOf(database)), {
    prepare: (sql) => database.prepare(sql),
    async batch(statements) {
      await pass(env, name);
      return database.batch(statements);
    },
  });
}

function withGates(env) {
  const names = Object.keys(env).filter((name) => /^DB_\d$/.test(name));
  return { ...env, ...Object.fromEntries(names.map((name) => [name, gated(env, name)])) };
}

export class UserObject extends Inner {
  constructor(ctx, env) {
    super(ctx, withGates(env));
  }

  async call(path, ...rest) {
    if (path === "/deliver") await pass(this.env, this.ctx.id.name);
    return super.call(path, ...rest);
  }
}

/** What the gate answers for `pacemaker`: that it loses its memory, or that its alarm is lost. */
const KILLED = 410;
const LOST = 503;

export class Pacemaker extends InnerPacemaker {
  async call(...args) {
    await pass(this.env, "register");
    return super.call(...args);
  }

  async alarm(...args) {
    const { status } = await fetch(`${this.env.GATE_URL}/pacemaker`);
    if (status === KILLED) this.ctx.abort("killed");
    if (status !== LOST) return super.alarm(...args);
  }
}
