// The servers that are compared.

import { floorByFetch, floorByRpc } from "./floor.ts";
import { peers } from "./peer.ts";
import type { TargetKind } from "./target.ts";

export { product, wasm } from "./product.ts";

/** What the product may be compared with: `--against`. */
export const rivals: TargetKind[] = [floorByRpc, floorByFetch, ...peers];
