import type { ConnectionOptions } from "node:tls";
import { type CommonRedisOptions, Redis, Cluster as RedisCluster } from "ioredis";
import type { Random } from "../../adapters/index.ts";
import { isReadOnly } from "./failures.ts";
import { type RedisOptions, serversOf } from "./options.ts";

export type Client =
  | { readonly kind: "single" | "sentinel"; readonly redis: Redis }
  | { readonly kind: "cluster"; readonly redis: RedisCluster };

const KEEP_ALIVE_MS = 10_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** Slots that moved are told of by the servers; this finds what they do not tell. Each look is a connection of its own. */
const SLOTS_EVERY_MS = 30_000;
const REDIRECTIONS = 8;

/** Before the `times`th attempt to connect: doubling, spread over half of itself, so that a fleet does not come at once. */
export function pauseMs(times: number, random: Random): number {
  const longestMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(times, 16));
  return Math.round(longestMs * (0.5 + random.fraction() / 2));
}

/**
 * A client that connects in the background and goes on trying until it is disconnected. It queues nothing while it has no
 * connection and sends nothing twice: what was under way when a connection ended is rejected.
 */
export function createClient(options: RedisOptions, limitMs: number, random: Random): Client {
  const retry = (times: number) => pauseMs(times, random);
  const common = commonOptions(options, limitMs);
  const { kind = "single" } = options;
  const servers = serversOf(options).map(({ host, port }) => ({ host, port }));
  const [server] = servers;
  if (kind === "cluster") return { kind, redis: new RedisCluster(servers, clusterOptions(options, common, retry)) };
  const own = {
    ...common,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: retry,
    reconnectOnError: isReadOnly,
  };
  if (kind === "single") return { kind, redis: new Redis({ ...own, ...server }) };
  return {
    kind,
    redis: new Redis({
      ...own,
      sentinels: servers,
      name: options.masterName ?? "",
      role: "master" as const,
      ...(options.sentinelPassword === undefined ? {} : { sentinelPassword: options.sentinelPassword }),
      ...(options.tls === undefined ? {} : { sentinelTLS: tlsOptions(options), enableTLSForSentinelMode: true }),
      sentinelRetryStrategy: retry,
      sentinelCommandTimeout: limitMs,
      // Sentinels are asked for each new connection. A master that is replaced ends its connections, turns steps away
      // (READONLY) or hangs; each of them leads to a new one.
      failoverDetector: false,
    }),
  };
}

function commonOptions(options: RedisOptions, limitMs: number) {
  return {
    protocol: 2,
    commandTimeout: limitMs,
    connectTimeout: limitMs,
    keepAlive: KEEP_ALIVE_MS,
    autoResendUnfulfilledCommands: false,
    // It would need the right to run CLIENT SETINFO.
    disableClientInfo: true,
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
    disconnectTimeout: limitMs / 2,
    ...(options.tls === undefined ? {} : { tls: tlsOptions(options) }),
  } satisfies CommonRedisOptions & { readonly disconnectTimeout: number };
}

function clusterOptions(
  options: RedisOptions,
  common: ReturnType<typeof commonOptions>,
  retry: (times: number) => number,
) {
  return {
    clusterRetryStrategy: retry,
    enableOfflineQueue: false,
    scaleReads: "master" as const,
    maxRedirections: REDIRECTIONS,
    slotsRefreshTimeout: common.commandTimeout,
    slotsRefreshInterval: SLOTS_EVERY_MS,
    redisOptions: { ...common, maxRetriesPerRequest: 0 },
    // A certificate is for the name, not for what the name stands for.
    ...(options.tls === undefined ? {} : { dnsLookup: asItIs }),
  };
}

const asItIs = (name: string, found: (error: null, address: string) => void) => found(null, name);

function tlsOptions({ tls }: RedisOptions): ConnectionOptions {
  return {
    ...(tls?.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls?.certificate === undefined ? {} : { cert: tls.certificate }),
    ...(tls?.key === undefined ? {} : { key: tls.key }),
  };
}
