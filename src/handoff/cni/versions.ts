/** Versions of the CNI specification that enid speaks; native/results.h has the same list. */
export const CNI_VERSIONS = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

export type CniVersion = (typeof CNI_VERSIONS)[number];

/** The version of an answer to a caller that states none we know. */
export const NEWEST_CNI_VERSION: CniVersion = "1.1.0";

/** The first version that has the verb; those that are not named here were always there. */
export const VERB_SINCE: Readonly<Record<string, CniVersion>> = { CHECK: "0.4.0", GC: "1.1.0", STATUS: "1.1.0" };

/** Is the version the other one or newer? */
export function isFrom(version: CniVersion, since: CniVersion): boolean {
  return CNI_VERSIONS.indexOf(version) >= CNI_VERSIONS.indexOf(since);
}

export function isCniVersion(value: unknown): value is CniVersion {
  return CNI_VERSIONS.some((version) => version === value);
}
