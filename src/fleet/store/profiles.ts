import type { FleetProfile } from "../../manager/ports/index.ts";

/** The profiles of the fleet's settings: few, small, and changed by operators alone. */
export interface ProfileStore {
  list(): Promise<ProfileList>;
  /**
   * Puts the profile, or replaces that of its name, if the revision is still that one. `setAtMs` becomes the store's time.
   */
  put(profile: Omit<FleetProfile, "setAtMs">, revision: number): Promise<ProfileAnswer>;
  /** Takes the profile away, if the revision is still that one. Of a name that is not there, nothing but the revision. */
  remove(name: string, revision: number): Promise<ProfileAnswer>;
  /**
   * A node knows a later revision than the store, which has lost it: it brings back all profiles of it. Nothing happens when
   * the store has that revision, or a later one.
   */
  restore(list: ProfileList): Promise<{ readonly revision: number }>;
}

export interface ProfileList {
  /**
   * Rises with each change: the store's time in ms, or one more than the one before. So it rises through a loss of data, too.
   * 0 = none was ever put.
   */
  readonly revision: number;
  /** In the order of their names. */
  readonly profiles: readonly FleetProfile[];
}

export type ProfileAnswer =
  | { readonly kind: "done"; readonly revision: number }
  /** Somebody changed them meanwhile. */
  | { readonly kind: "changed"; readonly revision: number }
  /** `PROFILES_LIMIT` of them are there. */
  | { readonly kind: "full"; readonly revision: number };

export const PROFILE_NAME = /^[a-z0-9][a-z0-9.-]{0,62}$/;
export const PROFILES_LIMIT = 64;
export const PROFILE_LIMIT_BYTES = 16 * 1024;
