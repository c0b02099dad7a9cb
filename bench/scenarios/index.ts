// All scenarios, in the order of the table.

import type { Scenario } from "./bench.ts";
import { bulk } from "./bulk.ts";
import { campaign } from "./campaign.ts";
import { connecting } from "./connect.ts";
import { heartbeat, memory, storage } from "./costs.ts";
import { direct, directDuringBulk } from "./direct.ts";
import { presence } from "./presence.ts";
import { shards } from "./shards.ts";

export const scenarios: Scenario[] = [
  connecting,
  presence,
  ...bulk,
  campaign,
  direct,
  directDuringBulk,
  ...shards,
  memory,
  storage,
  heartbeat,
];
