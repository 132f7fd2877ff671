import { statSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import fastify, { type FastifyInstance } from "fastify";
import type { Cancel, Clock, Random } from "../adapters/index.ts";
import type { Environment, Settings } from "../configuration/index.ts";
import { coerceError, EnidError } from "../errors.ts";
import type { FleetNode } from "../fleet/index.ts";
import {
  cniRoutes,
  deletionFiles,
  deletionFolder,
  listenOnSocket,
  replayDeletions,
  watchDeletions,
} from "../handoff/cni/index.ts";
import {
  type ConfigurationOffer,
  environmentAtStart,
  Manager,
  type Provider,
  type Reach,
  type Sandboxes,
  type StoredState,
  settingsAtStart,
} from "../manager/index.ts";
import { openSqliteStore } from "../state/index.ts";
import { healthRoutes, type NodeTelemetry } from "../telemetry/index.ts";
import { DaemonAgent } from "./agent.ts";
import { feedConfiguration, readOffer } from "./configuration-feed.ts";
import { controlRoutes } from "./control-routes.ts";
import { documentOf } from "./fleet/announcing.ts";
import type { DaemonFleet } from "./fleet-node.ts";
import { type ListenAddress, listenText } from "./listen-address.ts";
import { STATE_FILE } from "./overrides.ts";
import { VERSION } from "./version.ts";

/** Everything a daemon is made of; nothing below reads flags, the environment or the real clock. */
export interface DaemonOptions {
  /** Undefined: the daemon runs on defaults, overrides and what the state holds. */
  readonly configurationFile: string | undefined;
  readonly stateDir: string;
  readonly socket: string;
  /** Where health and metrics are served; undefined: nowhere. */
  readonly listen: ListenAddress | undefined;
  /** Identity of this boot of the machine. */
  readonly bootId: string;
  /** The provider of the environment that the settings, or the pods that the state holds, put the node in. */
  readonly createProvider: (environment: Environment, fleet: FleetNode | undefined) => Provider | Promise<Provider>;
  /** What makes pod addresses reachable on this node. Absent = nothing does, or somebody else. */
  readonly reaches?: (environment: Environment) => readonly Reach[];
  /** How sandboxes are looked at. Absent = they are not. */
  readonly sandboxes?: Sandboxes;
  /** Name of the Node in Kubernetes, where the settings say none. Absent = the machine's name. */
  readonly kubernetesNodeName?: string;
  /** Labels of the node, which profiles of the fleet match. Absent = none. */
  readonly nodeLabels?: Readonly<Record<string, string>>;
  /** From one look at the configuration file to the next; by default that of the watch. */
  readonly pollMs?: number;
  readonly telemetry: NodeTelemetry;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Daemon {
  /** Where health and metrics are really served: port 0 becomes the one that was free. */
  readonly listening: ListenAddress | undefined;
  /**
   * Takes no new pods, gives running steps `graceMs`, flushes the state and removes the socket. What was not finished is
   * settled at the next start.
   */
  stop(graceMs: number): Promise<void>;
}

/**
 * Composes and starts a daemon. The order keeps the promises: the state is locked before anything else; leases whose
 * DEL was queued are ended before a new ADD can meet them; the socket opens when the first ADD has an answer, if only
 * ENID_STARTING.
 *
 * @throws EnidError ENID_STATE_*, ENID_CONFIG_*, ENID_SOCKET_*, ENID_LISTEN_FAILED; nothing is left running then.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { clock, telemetry, socket } = options;
  const { manager, first, fleet } = await composeManager(options);
  const servers: Servers = {};
  try {
    telemetry.watch({ status: () => manager.status(), loopAgeMs: () => manager.tickAgeMs() });
    await startManager(manager, first);
    fleet?.node.registry.start(documentOf(manager, telemetry, clock));
    const queue = deletionFiles(deletionFolder(socket));
    const deletions = { queue, service: manager, telemetry, clock };
    await replayDeletions(deletions).catch((thrown) => tellUnreadable(telemetry, queue.folder, thrown));
    await serveSocket(servers, manager, options);
    const listening = await serveHealth(servers, options);
    const deletionWatch = watchDeletions(deletions);
    const stopFeed = feed(manager, first, options);
    return {
      listening,
      async stop(graceMs) {
        stopFeed();
        await deletionWatch.stop();
        await stopAll(manager, servers, graceMs, fleet);
      },
    };
  } catch (thrown) {
    await stopAll(manager, servers, 0, fleet);
    throw thrown;
  }
}

interface Composed {
  readonly manager: Manager;
  readonly first: ConfigurationOffer;
  readonly fleet: DaemonFleet | undefined;
}

async function composeManager(options: DaemonOptions): Promise<Composed> {
  const { clock, random, telemetry, bootId } = options;
  const store = openSqliteStore({ file: path.join(options.stateDir, STATE_FILE), clock });
  let fleet: DaemonFleet | undefined;
  try {
    const first = await readOffer(options.configurationFile);
    const state = store.load();
    const environment = environmentAtStart(state, first, bootId);
    fleet = await startFleet(state, first, options);
    const provider = await options.createProvider(environment, fleet?.node);
    const reaches = options.reaches?.(environment) ?? [];
    const { sandboxes } = options;
    const nodeName = hostname();
    const nodeLabels = options.nodeLabels ?? {};
    const own = { provider, store, clock, random, telemetry, bootId, nodeName, nodeLabels, reaches };
    const settingsChanged = ({ values }: Settings) => fleet?.settingsChanged(values);
    const agent = agentOf(settingsAtStart(state, first)?.values, options);
    const shared = { ...own, settingsChanged, fleet: fleet?.node, agent };
    return { manager: new Manager(sandboxes === undefined ? shared : { ...shared, sandboxes }), first, fleet };
  } catch (thrown) {
    await fleet?.stop();
    await store.close();
    throw thrown;
  }
}

/** Undefined without servers in the settings; then none of its code is loaded. It connects while the rest starts. */
async function startFleet(
  state: StoredState,
  first: ConfigurationOffer,
  { clock, random, telemetry }: DaemonOptions,
): Promise<DaemonFleet | undefined> {
  const values = settingsAtStart(state, first)?.values;
  if (values === undefined || values.redis.length === 0) return undefined;
  const { DaemonFleet } = await import("./fleet-node.ts");
  const fleet = new DaemonFleet({ values, clock, random, telemetry, nodeName: hostname() });
  await fleet.start();
  return fleet;
}

/** Undefined where pods ask for their addresses by CNI. */
function agentOf(values: Settings["values"] | undefined, options: DaemonOptions): DaemonAgent | undefined {
  if (values?.["hand-off"] !== "cilium-node") return undefined;
  const { clock, random, telemetry, bootId } = options;
  const nodeName = options.kubernetesNodeName ?? hostname();
  // Who follows on the same state is the same enid, restarted; another state on this machine is another enid.
  const { dev, ino } = statSync(options.stateDir);
  const holder = `${bootId}.${dev}.${ino}/${random.id()}`;
  return new DaemonAgent({ values, clock, random, telemetry, nodeName, holder });
}

async function startManager(manager: Manager, first: ConfigurationOffer): Promise<void> {
  try {
    await manager.start(first);
  } catch (thrown) {
    // The manager throws the offer's own error when the state holds no earlier configuration either.
    if (first.kind === "missing" && thrown === first.error) {
      throw new EnidError("ENID_CONFIG_MISSING", { file: String(first.error.values.file) }, { cause: thrown });
    }
    throw thrown;
  }
}

interface Servers {
  socket?: FastifyInstance;
  health?: FastifyInstance;
}

/** Requests of the CNI plugin are small and few; the limits are for what is not the plugin. */
const CONNECTIONS_LIMIT = 4_096;
const REQUEST_LIMIT_MS = 10_000;

async function serveSocket(servers: Servers, manager: Manager, options: DaemonOptions): Promise<void> {
  const { telemetry, clock, socket } = options;
  const server = newServer();
  servers.socket = server;
  await server.register(cniRoutes(manager, { telemetry, clock }));
  await server.register(controlRoutes({ manager, version: VERSION, events: (limit) => telemetry.recent(limit) }));
  await listenOnSocket(server, socket);
  telemetry.event({
    name: "listening",
    level: "info",
    message: `serving CNI and commands on ${socket}`,
    fields: { socket },
  });
}

async function serveHealth(servers: Servers, options: DaemonOptions): Promise<ListenAddress | undefined> {
  const { telemetry, listen } = options;
  if (listen === undefined) return undefined;
  const server = newServer();
  servers.health = server;
  await server.register(healthRoutes(telemetry));
  try {
    await server.listen(listen);
  } catch (cause) {
    throw new EnidError(
      "ENID_LISTEN_FAILED",
      { address: listenText(listen), detail: coerceError(cause).message },
      { cause },
    );
  }
  const bound = server.server.address();
  const listening = { host: listen.host, port: typeof bound === "object" && bound !== null ? bound.port : listen.port };
  telemetry.event({
    name: "listening",
    level: "info",
    message: `serving /healthz, /readyz and /metrics on http://${listenText(listening)}`,
    fields: { ...listening },
  });
  return listening;
}

function newServer(): FastifyInstance {
  const server = fastify({
    requestTimeout: REQUEST_LIMIT_MS,
    forceCloseConnections: "idle",
    // A plugin that came just before the end hears why from the manager, not a 503 that it takes for another program's.
    return503OnClosing: false,
  });
  server.server.maxConnections = CONNECTIONS_LIMIT;
  return server;
}

function feed(manager: Manager, first: ConfigurationOffer, options: DaemonOptions): Cancel {
  const { configurationFile: file, clock, telemetry } = options;
  if (file === undefined) return () => {};
  return feedConfiguration({
    file,
    first,
    clock,
    telemetry,
    offer: (offer) => manager.offerConfiguration(offer),
    ...(options.pollMs === undefined ? {} : { pollMs: options.pollMs }),
  });
}

async function stopAll(
  manager: Manager,
  { socket, health }: Servers,
  graceMs: number,
  fleet: DaemonFleet | undefined,
): Promise<void> {
  // The socket goes first: a plugin that finds none queues its DEL and succeeds, which beats an answer that fails.
  const closing = socket?.close();
  await manager.stop(graceMs);
  // After the last call of the cloud, which may have needed a token.
  await fleet?.stop();
  socket?.server.closeAllConnections();
  await closing;
  // Health goes last: until then /readyz says that the node is stopping.
  health?.server.closeAllConnections();
  await health?.close();
}

function tellUnreadable(telemetry: NodeTelemetry, folder: string, thrown: unknown): void {
  const { code, message } = coerceError(thrown);
  telemetry.event({
    name: "deletion-queue-unreadable",
    level: "error",
    message: `${code}: ${message}`,
    fields: { folder },
  });
}
