// The product, as `npm run build` has built it.

import { inRoot } from "../../scripts/lib/project.mjs";
import type { TargetKind } from "./target.ts";
import { startWorkerd } from "./workerd.ts";

export const wasm = inRoot("build", "index_bg.wasm");

export const product: TargetKind = {
  name: "Switchboard",
  start: (vars) =>
    startWorkerd([inRoot("build", "index.js"), wasm], vars, {
      CAMPAIGN: "CampaignObject",
      PACEMAKERS: "Pacemaker",
    }),
};
