/** Versions of the CNI specification that enid speaks; native/results.h has the same list. */
export const CNI_VERSIONS = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

export type CniVersion = (typeof CNI_VERSIONS)[number];

/** The version of an answer to a caller that states none we know. */
export const NEWEST_CNI_VERSION: CniVersion = "1.1.0";

export function isCniVersion(value: unknown): value is CniVersion {
  return CNI_VERSIONS.some((version) => version === value);
}
