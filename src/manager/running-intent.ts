import type { EnidError } from "../errors.ts";
import type { Intent } from "./ports/index.ts";

/** A step under way: its durable intent and what is known of it in this process. */
export interface RunningIntent {
  intent: Intent;
  /** `running`: a call is under way. `unsettled`: its outcome is unknown and has to be found out. */
  state: "running" | "unsettled";
  /** When it became unsettled or was tried last; wall ms. */
  sinceMs: number;
  nextTryMs: number;
  tries: number;
  /** Why it is unknown, or was last. */
  error?: EnidError;
  /** What it brings is for this pod alone ("namespace/name"). */
  keepsFor?: string;
  /** Blocks joined the pool by it: synchronous, before any pod can get an address of them. */
  brought?: (cidrs: readonly string[]) => void;
  /** It failed, or its outcome is not known. */
  failed?: (error: EnidError) => void;
}
