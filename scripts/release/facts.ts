/** release.json: what the release is. */
export interface ReleaseFacts {
  readonly name: string;
  readonly version: string;
  /** Hexadecimal, or "unknown". */
  readonly commit: string;
  /** The checkout had changes that are not in the commit. */
  readonly modified: boolean;
  /** Time of the commit, ISO 8601 in UTC. Null: not known. */
  readonly builtAt: string | null;
  readonly platform: string;
  /** Version of the Node.js in the executable. */
  readonly node: string;
}
