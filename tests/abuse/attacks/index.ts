// All attacks.

import * as floods from "./floods.ts";
import * as frames from "./frames.ts";
import * as ids from "./ids.ts";
import * as idle from "./idle.ts";
import * as requests from "./requests.ts";
import type { Attack } from "../target.ts";

export const attacks: Record<string, Attack> = {
  ...floods,
  ...frames,
  ...ids,
  ...idle,
  ...requests,
};
