import { DurableObject } from "cloudflare:workers";

/** Moves its alarm while the runtime is about to run it. */
export class Careless extends DurableObject {
  async fetch() {
    const { storage } = this.ctx;
    await storage.setAlarm(Date.now() + 50);
    // The alarm has to wait for the end of this.
    await this.ctx.blockConcurrencyWhile(async () => {
      await scheduler.wait(200);
      await storage.setAlarm(Date.now() + 60_000);
    });
    return new Response("ok");
  }

  alarm() {}
}

export default {
  fetch: (request, env) => env.CARELESS.getByName("careless").fetch(request),
};
