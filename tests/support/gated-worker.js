// The built Worker, whose User objects ask a gate (gate.ts) before they take a message.

import Worker, { PollingGateway, UserObject as Inner } from "./index.js";

export { PollingGateway };
export default Worker;

export class UserObject extends Inner {
  async call(path, ...rest) {
    if (path === "/deliver") {
      const url = `${this.env.GATE_URL}/${encodeURIComponent(this.ctx.id.name)}`;
      const { ok } = await fetch(url);
      if (!ok) throw new Error("the gate is shut");
    }
    return super.call(path, ...rest);
  }
}
