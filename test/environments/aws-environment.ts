import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildDaemon } from "../../scripts/build.ts";
import { loadModel, type RunningSimulator, startSimulator } from "../../src/simulator/index.ts";
import { type CloudDoor, openCloud } from "./cloud-door.ts";
import { type Environment, Undoing } from "./environment.ts";
import { Host } from "./host.ts";
import { Namespace } from "./namespace.ts";
import { type NodeMachine, TestNode } from "./node.ts";
import { NETWORK } from "./pod.ts";
import { IPV6_GATEWAY, VpcRouter } from "./vpc-router.ts";

const VPC = "vpc-0e500000000000001";
const NODE_SUBNET = "subnet-0e500000000000001";
const POD_SUBNET = "subnet-0e500000000000002";
const NODE_GATEWAY = "10.60.0.1";
const POD_GATEWAY = "10.60.16.1";
/** Of EC2's endpoint and of instance metadata. */
const CLOUD = "169.254.169.254";
const OUTSIDE = {
  addresses: ["203.0.113.2", "2001:db8:ffff::2"],
  routers: ["203.0.113.1", "2001:db8:ffff::1"],
  lengths: [24, 64],
} as const;
/** How many times faster than a real EC2. */
const SPEED = 20;

export interface AwsOptions {
  readonly nodes?: number;
  readonly instanceType?: string;
  readonly eni?: Readonly<Record<string, unknown>>;
  readonly ipam?: Readonly<Record<string, unknown>>;
  readonly podsOnFirstNode?: number;
}

export interface AwsEnvironment extends Environment {
  readonly simulator: RunningSimulator;
  readonly router: VpcRouter;
}

/** One node with room for 128 pods on prefixes of one interface, and more on others. */
export const LARGE_NODE = {
  nodes: 1,
  instanceType: "m5.xlarge",
  eni: { "prefix-delegation": "required" },
  ipam: { "ip-families": "ipv4", "min-allocate": 128, "pre-allocate": 0, "max-above-watermark": 16 },
} as const satisfies AwsOptions;

/**
 * A VPC: the simulated cloud, a router that has its network interfaces as wires, nodes with a primary interface that
 * carries no pods, and something outside of the VPC. By default each node has room for 3 pods on each of two interfaces.
 */
export async function makeAwsEnvironment(options: AwsOptions = {}): Promise<AwsEnvironment> {
  const undoing = new Undoing();
  try {
    return await make(options, undoing);
  } catch (error) {
    await undoing.run().catch(() => {});
    throw error;
  }
}

async function make(options: AwsOptions, undoing: Undoing): Promise<AwsEnvironment> {
  const folder = mkdtempSync(join(tmpdir(), "enid-aws-"));
  undoing.add(() => rmSync(folder, { recursive: true, force: true }));
  undoing.add(() => Namespace.removeAll());
  const command = await buildDaemon(join(folder, "dist"));
  const instanceIds = Array.from({ length: options.nodes ?? 2 }, (_, n) => `i-0e50000000000000${n + 1}`);
  const model = loadModel(modelOf(options.instanceType ?? "t3.small", instanceIds), "aws-environment.ts");
  const simulator = await startSimulator({ description: model, speed: SPEED });
  undoing.add(() => simulator.close());

  const vpc = await Namespace.create("vpc");
  const router = await VpcRouter.open(vpc, simulator.cloud, [NODE_GATEWAY, POD_GATEWAY, CLOUD]);
  undoing.add(() => router.close());
  const door = await openCloud(simulator, instanceIds, { namespace: vpc, address: CLOUD, folder }, () => router.sync());
  undoing.add(() => door.close());
  const outside = await makeOutside(vpc);

  const nodes = instanceIds.map((instanceId, n) => {
    const label = `node${n + 1}`;
    return new TestNode({
      label,
      folder: join(folder, label),
      configuration: configurationOf(options),
      command,
      machine: new Instance({ instanceId, label, simulator, router, door }),
    });
  });
  for (const node of nodes) {
    undoing.add(() => node.close());
    await node.boot();
    node.launch();
  }
  for (const node of nodes) await node.settled();
  return {
    nodes,
    podsOnFirstNode: options.podsOnFirstNode ?? 4,
    outside,
    simulator,
    router,
    complaints: async () => (await router.spoofed()).map((one) => `a packet with another's source: ${one}`),
    describe: async () => {
      const spoofed = await router.spoofed();
      return `-- the VPC's router dropped packets of: ${spoofed.join(", ") || "nobody"}\n${await vpc.ip("route")}`;
    },
    close: () => undoing.run(),
  };
}

async function makeOutside(vpc: Namespace): Promise<Host> {
  const outside = await Namespace.create("outside");
  const ends = (addresses: readonly string[], device: string) =>
    addresses.map((address, n) => `address add ${address}/${OUTSIDE.lengths[n]} dev ${device}`);
  await vpc.batch(
    `link add out type veth peer name eth0 netns ${outside.name}`,
    ...ends(OUTSIDE.routers, "out"),
    "link set out up",
  );
  await outside.batch(
    ...ends(OUTSIDE.addresses, "eth0"),
    "link set eth0 up",
    ...OUTSIDE.routers.map((router) => `route add default via ${router}`),
  );
  return Host.start("outside", outside, OUTSIDE.addresses);
}

/** An EC2 instance whose system brings up the primary interface by DHCP and leaves all others alone. */
class Instance implements NodeMachine {
  readonly addresses: readonly string[];
  readonly daemonEnvironment: Readonly<Record<string, string>>;
  readonly daemonArguments: readonly string[] = [];
  readonly #options: {
    readonly instanceId: string;
    readonly label: string;
    readonly router: VpcRouter;
  };
  #namespace: Namespace | undefined;

  constructor(options: {
    readonly instanceId: string;
    readonly label: string;
    readonly simulator: RunningSimulator;
    readonly router: VpcRouter;
    readonly door: CloudDoor;
  }) {
    this.#options = options;
    const { instanceId, simulator, door } = options;
    const primary = simulator.cloud
      .truth()
      .interfaces.find(({ attachment }) => attachment?.instanceId === instanceId && attachment.deviceIndex === 0);
    if (primary === undefined) throw new Error(`${instanceId} has no primary interface`);
    this.addresses = [primary.primaryAddress, ...primary.ipv6Addresses];
    this.daemonEnvironment = { ...door.environment(instanceId), ENID_HOST_ROUTES: "on" };
  }

  async powerOn(): Promise<Namespace> {
    const { instanceId, label, router } = this.#options;
    const namespace = await Namespace.create(label);
    this.#namespace = namespace;
    await namespace.sysctl({ "net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1 });
    await router.powerOn({
      instanceId,
      namespace,
      // As systems name them: eth0, eth1, … on the first node, ens5, ens6, … on the others.
      deviceName: (index) => (label === "node1" ? `eth${index}` : `ens${5 + index}`),
      setUpPrimary: (device, { primaryAddress, ipv6Addresses }) =>
        namespace.batch(
          `link set ${device} up`,
          `address add ${primaryAddress}/24 dev ${device}`,
          `route add default via ${NODE_GATEWAY} dev ${device} proto dhcp src ${primaryAddress}`,
          ...ipv6Addresses.map((address) => `address add ${address}/128 dev ${device}`),
          `route add default via ${IPV6_GATEWAY} dev ${device} proto ra`,
        ),
    });
    return namespace;
  }

  async powerOff(): Promise<void> {
    await this.#options.router.powerOff(this.#options.instanceId);
    await this.#namespace?.remove();
    this.#namespace = undefined;
  }
}

function configurationOf({ eni, ipam }: AwsOptions) {
  return {
    cniVersion: "1.0.0",
    name: NETWORK,
    type: "cilium-cni",
    eni: {
      "first-interface-index": 1,
      "subnet-tags": { "enid.io/pods": "true" },
      "start-jitter-seconds": 0,
      ...eni,
    },
    ipam: {
      type: "enid-ipam",
      "ip-families": "dual",
      "cooling-seconds": 1,
      "min-allocate": 6,
      "pre-allocate": 0,
      ...ipam,
    },
  };
}

function modelOf(instanceType: string, instanceIds: readonly string[]) {
  return {
    region: "eu-central-1",
    account: "111122223333",
    vpcs: [{ id: VPC, cidrs: ["10.60.0.0/16"], ipv6Cidrs: ["2001:db8:60::/56"] }],
    subnets: [
      { id: NODE_SUBNET, vpc: VPC, cidr: "10.60.0.0/24", ipv6Cidr: "2001:db8:60::/64", zone: "eu-central-1a" },
      {
        id: POD_SUBNET,
        vpc: VPC,
        cidr: "10.60.16.0/22",
        ipv6Cidr: "2001:db8:60:16::/64",
        zone: "eu-central-1a",
        tags: { "enid.io/pods": "true" },
      },
    ],
    instances: instanceIds.map((id, n) => ({
      id,
      type: instanceType,
      subnet: NODE_SUBNET,
      ipv6Addresses: [`2001:db8:60::${n + 10}`],
    })),
    settings: { throttling: false },
  };
}
