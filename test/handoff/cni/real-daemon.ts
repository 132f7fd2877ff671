import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import fastifyFactory, { type FastifyInstance } from "fastify";
import { systemClock, systemRandom } from "../../../src/adapters/index.ts";
import { readConfiguration } from "../../../src/configuration/index.ts";
import { cniRoutes, listenOnSocket } from "../../../src/handoff/cni/index.ts";
import { Manager, type Provider } from "../../../src/manager/index.ts";
import { createNodeCidrProvider } from "../../../src/providers/node-cidr/index.ts";
import { openSqliteStore } from "../../../src/state/index.ts";
import { FakeProvider, SUBNET_A } from "../../support/fake-provider.ts";
import { RecordingTelemetry, until } from "./helpers.ts";

/** A manager with a state on the disk, served on a socket: all of the daemon but its command line. */
export interface RealDaemon {
  readonly manager: Manager;
  readonly telemetry: RecordingTelemetry;
  stop(): Promise<void>;
}

export type Environment = "AWS" | "on-premises";

/** The configuration file of each environment; nothing else differs. */
export function configurationOf(environment: Environment, ipam: object): string {
  const place =
    environment === "AWS"
      ? { eni: { "subnet-tags": { pods: "true" } }, ipam: { "pre-allocate": 4, ...ipam } }
      : { ipam: { podCIDRs: ["10.0.0.0/24", "2001:db8:1::/64"], ...ipam } };
  const file = { cniVersion: "1.0.0", name: "pods", type: "ptp", ...place };
  return JSON.stringify({ ...file, ipam: { type: "enid-ipam", ...file.ipam } });
}

export async function startRealDaemon(
  environment: Environment,
  folder: string,
  ipam: object = { "ip-families": "dual" },
): Promise<RealDaemon> {
  const telemetry = new RecordingTelemetry();
  const provider = environment === "AWS" ? cloud() : node(telemetry);
  const stateFile = join(await mkdtemp(join(folder, "state-")), "enid.db");
  const store = openSqliteStore({ file: stateFile, clock: systemClock });
  const options = { provider, store, clock: systemClock, random: systemRandom, telemetry, bootId: "boot-1" };
  const manager = new Manager(options);
  const text = new TextEncoder().encode(configurationOf(environment, ipam));
  await manager.start({ kind: "valid", configuration: readConfiguration(text, "/etc/cni/net.d/05-enid.conf") });
  const fastify: FastifyInstance = fastifyFactory({ forceCloseConnections: true });
  await fastify.register(cniRoutes(manager, { telemetry, clock: systemClock }));
  await listenOnSocket(fastify, join(folder, "enid.sock"));
  await until(() => manager.notReady() === undefined, 20_000);
  return {
    manager,
    telemetry,
    async stop() {
      await fastify.close();
      await manager.stop(0);
    },
  };
}

function cloud(): Provider {
  const provider = new FakeProvider(systemClock);
  provider.callMs = 1;
  provider.ipv6Subnets = [SUBNET_A];
  return provider;
}

function node(telemetry: RecordingTelemetry): Provider {
  const machine = {
    identity: async () => "0123456789abcdef0123456789abcdef",
    hostname: () => "node-1",
    addresses: async () => ({ addresses: [] }),
  };
  return createNodeCidrProvider({ clock: systemClock, telemetry, machine });
}
