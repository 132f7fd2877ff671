import { fileURLToPath } from "node:url";
import { commitOf } from "./commit.ts";

/** What this enid was built from. */
export interface BuildFacts {
  /** Hexadecimal, or "unknown". */
  readonly commit: string;
  /** The checkout had changes that are not in the commit. */
  readonly isModified: boolean;
  /** Time of the commit, ISO 8601 in UTC: a build of the same commit says the same. Null: run from the sources, or not known. */
  readonly builtAt: string | null;
}

/** Put in the place of this name by scripts/build.ts; there is none in the sources. */
declare const ENID_BUILD: BuildFacts;

/** Of the build, else of the checkout around this file. */
export function buildFacts(): BuildFacts {
  if (typeof ENID_BUILD !== "undefined") return ENID_BUILD;
  return { commit: commitOf(fileURLToPath(new URL(".", import.meta.url))), isModified: false, builtAt: null };
}
