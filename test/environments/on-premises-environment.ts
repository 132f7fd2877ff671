import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildDaemon } from "../../scripts/build.ts";
import { Bird } from "../support/bird.ts";
import { until } from "./commands.ts";
import { type Environment, Undoing } from "./environment.ts";
import {
  describeRouter,
  type Fabric,
  type Leaf,
  makeFabric,
  plugServer,
  type ServerPlace,
  uplinksOf,
} from "./fabric.ts";
import { HostName } from "./host-name.ts";
import { Namespace } from "./namespace.ts";
import { type NodeMachine, TestNode } from "./node.ts";
import { NETWORK } from "./pod.ts";

const SERVERS: readonly ServerPlace[] = [1, 2, 3].map((number) => ({
  number,
  addresses: [`10.61.0.${number}`, `2001:db8:61::${number}`],
  asn: 4_200_000_100 + number,
}));
const podCidrs = ({ number }: ServerPlace) => [`10.61.${100 + number}.0/24`, `2001:db8:61:${100 + number}::/64`];

/** A session comes up when both sides tried. */
const SESSION_LIMIT_MS = 60_000;

export interface OnPremisesEnvironment extends Environment, Fabric {
  /** Until every router leads to every node's range, over all ways that there are. */
  announced(): Promise<void>;
}

export interface OnPremisesOptions {
  /** Stands in the file of every node, beside what is there anyway. */
  readonly ipam?: object;
  readonly fleet?: object;
  /** Between the network and the nodes. */
  readonly prepare?: (fabric: Fabric, folder: string) => Promise<void>;
}

/**
 * A spine-leaf network: two leaves, three nodes with an uplink and a session (eBGP, BFD) to each leaf and ranges of their own.
 * Whoever has two ways uses both of them.
 */
export async function makeOnPremisesEnvironment(more: OnPremisesOptions = {}): Promise<OnPremisesEnvironment> {
  const undoing = new Undoing();
  try {
    return await make(undoing, more);
  } catch (error) {
    await undoing.run().catch(() => {});
    throw error;
  }
}

async function make(undoing: Undoing, more: OnPremisesOptions): Promise<OnPremisesEnvironment> {
  const folder = mkdtempSync(join(tmpdir(), "enid-dc-"));
  undoing.add(() => rmSync(folder, { recursive: true, force: true }));
  undoing.add(() => Namespace.removeAll());
  const command = await buildDaemon(join(folder, "dist"));
  const fabric = await makeFabric(folder, SERVERS, undoing);
  await more.prepare?.(fabric, folder);
  const nodes = SERVERS.map((place) => {
    const label = `node${place.number}`;
    const birdFolder = join(folder, label, "bird");
    const machine = new Server(place, { folder: join(folder, label), birdFolder, leaves: fabric.leaves, command });
    return new TestNode({
      label,
      folder: join(folder, label),
      configuration: configurationOf(place, birdFolder, more),
      command,
      machine,
    });
  });
  for (const node of nodes) undoing.add(() => node.close());
  await Promise.all(
    nodes.map(async (node) => {
      await node.boot();
      node.launch();
      await node.settled();
    }),
  );
  const announced = () => untilAnnounced(fabric);
  await announced();
  return {
    ...fabric,
    nodes,
    podsOnFirstNode: 2,
    announced,
    complaints: async () => [],
    describe: async () => (await Promise.all([...fabric.leaves, fabric.spine].map(describeRouter))).join("\n"),
    close: () => undoing.run(),
  };
}

async function untilAnnounced({ leaves, spine }: Fabric): Promise<void> {
  const ways = (routes: string) => routes.match(/ dev /g)?.length ?? 0;
  for (const { label, namespace } of [...leaves, spine]) {
    for (const cidr of SERVERS.flatMap(podCidrs)) {
      await until(
        `${label} leads to ${cidr}`,
        async () =>
          ways(await namespace.ip(cidr.includes(":") ? "-6" : "-4", "route", "show", "exact", cidr)) >=
          (label === "spine" ? leaves.length : 1),
        SESSION_LIMIT_MS,
        async () => (await Promise.all([...leaves, spine].map(describeRouter))).join("\n"),
      );
    }
  }
}

/** A server with BIRD, whose bird.conf is what `enid export bird` makes of the node's file. */
class Server implements NodeMachine {
  readonly addresses: readonly string[];
  /** All nodes are on one machine, whose id and name they would share. */
  readonly daemonEnvironment: Readonly<Record<string, string>>;
  readonly daemonArguments: readonly string[] = [];
  readonly daemonPrefix: readonly string[];
  readonly #hostName: HostName;
  readonly #place: ServerPlace;
  readonly #options: {
    readonly folder: string;
    readonly birdFolder: string;
    readonly leaves: readonly Leaf[];
    readonly command: readonly string[];
  };
  #namespace: Namespace | undefined;
  #bird: Bird | undefined;

  constructor(
    place: ServerPlace,
    options: {
      readonly folder: string;
      readonly birdFolder: string;
      readonly leaves: readonly Leaf[];
      readonly command: readonly string[];
    },
  ) {
    this.#place = place;
    this.#options = options;
    this.addresses = place.addresses;
    this.#hostName = new HostName(`node${place.number}`, join(options.folder, "hostname.uts"));
    this.daemonPrefix = this.#hostName.prefix;
    this.daemonEnvironment = { ENID_MACHINE_ID: `${place.number}`.repeat(32) };
  }

  async powerOn(): Promise<Namespace> {
    const { folder, birdFolder, leaves, command } = this.#options;
    await this.#hostName.set();
    const namespace = await plugServer(this.#place, leaves);
    this.#namespace = namespace;
    const bird = new Bird({ namespace: namespace.name, folder: birdFolder });
    this.#bird = bird;
    const [program = "", ...before] = command;
    const file = join(folder, "enid.conf");
    const output = bird.configurationFile;
    await namespace.run(program, [...before, "export", "bird", "--read-eni-configuration", file, "--output", output], {
      environment: { PATH: process.env.PATH ?? "", ENID_NODE: process.execPath },
    });
    await bird.start();
    return namespace;
  }

  async powerOff(): Promise<void> {
    await this.#bird?.stop("SIGKILL");
    await this.#namespace?.remove();
    this.#namespace = undefined;
    await this.#hostName.clear();
  }
}

/** The same file as on AWS, but for where the addresses come from and who hears of them. */
function configurationOf(place: ServerPlace, birdFolder: string, { ipam, fleet }: OnPremisesOptions) {
  return {
    cniVersion: "1.0.0",
    name: NETWORK,
    type: "cilium-cni",
    ipam: { type: "enid-ipam", "ip-families": "dual", "cooling-seconds": 1, podCIDRs: podCidrs(place), ...ipam },
    ...(fleet === undefined ? {} : { fleet }),
    bgp: {
      asn: place.asn,
      "router-id": place.addresses[0],
      uplinks: uplinksOf(place.number),
      "bird-include-file": join(birdFolder, "enid.conf"),
      "bird-control-socket": join(birdFolder, "bird.ctl"),
    },
  };
}
