import { NEVER } from "./moments.ts";
import type { ObservedInterface } from "./ports/index.ts";

/** What an observation calls for beyond what was merged at once. */
export interface Verdict {
  /** Metadata differs from the pool: EC2 itself should be asked. */
  readonly askCloud: boolean;
  /** EC2 denied something for the first time: ask again after a pause before believing it. */
  readonly confirm: boolean;
  /** When EC2 shows or hides something that counts only then (wall ms); Infinity = nothing of the kind. */
  readonly lookAtMs: number;
  /** Interfaces that enid made, that nothing is known of and that EC2 showed unattached twice: leaked, to be removed. */
  readonly leaked: readonly ObservedInterface[];
  /** The primary interface has other security groups than those that were resolved, and they are everyone's. */
  readonly groupsChanged: boolean;
}

export const NOTHING_NEW: Verdict = {
  askCloud: false,
  confirm: false,
  lookAtMs: NEVER,
  leaked: [],
  groupsChanged: false,
};
