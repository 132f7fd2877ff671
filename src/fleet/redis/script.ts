/**
 * One atomic step as a Lua script. It answers one JSON text (cjson.encode) or nil; its time is `redis.call("TIME")`. Note
 * that cjson writes an empty table as `{}`: lists that may be empty are sent as nil or counted apart.
 */
export interface Script {
  /** For errors and logs. */
  readonly name: string;
  readonly lua: string;
  /** What it wrote counts only once `redis-replica-acks` replicas have it; else the step rejects with ENID_FLEET_AWAY. */
  readonly acks?: boolean;
}

/** Runs scripts on the server. */
export interface ScriptRunner {
  /** Prefixes each key with that of the fleet. Keys of one step share a hash tag, e.g. "{fixed}:records". */
  readonly prefix: string;
  /**
   * The answer, parsed; undefined for nil. `keys` are without the prefix, which is added to each.
   *
   * @throws EnidError ENID_FLEET_AWAY when no answer came in time, ENID_FLEET_FAILED when the script was refused.
   */
  run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
}
