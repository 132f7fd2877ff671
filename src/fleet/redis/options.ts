import type { Clock, Random } from "../../adapters/index.ts";

export interface RedisServerAddress {
  readonly host: string;
  readonly port: number;
}

/** PEM texts. Absent = the system's authorities, and no certificate of the client's own. */
export interface RedisTls {
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
}

/** How the fleet's engine is reached. Either `host` and `port`, or `servers`. */
export interface RedisOptions {
  readonly host?: string;
  readonly port?: number;
  /** `single`: the first one; `sentinel`: the sentinels; `cluster`: nodes to learn the others from. */
  readonly servers?: readonly RedisServerAddress[];
  /** Absent = "single". */
  readonly kind?: "single" | "sentinel" | "cluster";
  /** Of the sentinels. */
  readonly masterName?: string;
  /** Absent = the default user. */
  readonly username?: string;
  readonly password?: string;
  readonly sentinelPassword?: string;
  /** Absent = no TLS. Of the sentinels too. */
  readonly tls?: RedisTls;
  /** Of all keys, e.g. "enid:prod:". */
  readonly prefix: string;
  /** Replicas that must have what a step with `acks` wrote. Absent = 0, which asks for none. */
  readonly replicaAcks?: number;
  /** Longest wait for an answer. Absent = 1,000. */
  readonly limitMs?: number;
  /** Absent = the real ones. */
  readonly clock?: Clock;
  readonly random?: Random;
  /** Why it cannot even be tried to connect: all steps are rejected with it. */
  readonly obstacle?: string;
  /** Told once of each thing that an operator should see to: an old server, a step that is refused. No secrets are in it. */
  readonly notice?: (message: string) => void;
}

export const ANSWER_LIMIT_MS = 1_000;

export function serversOf({ host, port, servers }: RedisOptions): readonly RedisServerAddress[] {
  return servers ?? [{ host: host ?? "127.0.0.1", port: port ?? 6379 }];
}
