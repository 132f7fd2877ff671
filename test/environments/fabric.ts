import { join } from "node:path";
import { Bird, leafConfiguration } from "../support/bird.ts";
import type { Undoing } from "./environment.ts";
import { Host } from "./host.ts";
import { Namespace } from "./namespace.ts";

const LEAVES = [1, 2] as const;
const SPINE_ASN = 4_200_000_000;
/** Each has an IPv4 and an IPv6 address; the lengths of their networks. */
type Both = readonly [string, string];
const HOST_LENGTHS = [32, 128] as const;
const OUTSIDE: { readonly addresses: Both; readonly routers: Both; readonly lengths: readonly [number, number] } = {
  addresses: ["203.0.113.2", "2001:db8:ffff::2"],
  routers: ["203.0.113.1", "2001:db8:ffff::1"],
  lengths: [24, 64],
};
const LINK_LENGTHS = [30, 64] as const;

const leafAsn = (leaf: number) => SPINE_ASN + leaf;
/** The link between a leaf and a server. */
const leafEnd = (leaf: number, server: number): Both => [
  `10.62.${leaf}.${server * 4 + 1}`,
  `2001:db8:62:${leaf}${server}::1`,
];
const serverEnd = (leaf: number, server: number): Both => [
  `10.62.${leaf}.${server * 4 + 2}`,
  `2001:db8:62:${leaf}${server}::2`,
];
/** The link between the spine and a leaf. */
const leafUp = (leaf: number): Both => [`10.63.${leaf}.1`, `2001:db8:63:${leaf}::1`];
const spineEnd = (leaf: number): Both => [`10.63.${leaf}.2`, `2001:db8:63:${leaf}::2`];

/** Without it a route over several links goes on using those that are dark. */
const DARK_LINKS_ARE_NO_WAY = {
  "net.ipv4.conf.all.ignore_routes_with_linkdown": 1,
  "net.ipv4.conf.default.ignore_routes_with_linkdown": 1,
  "net.ipv6.conf.all.ignore_routes_with_linkdown": 1,
  "net.ipv6.conf.default.ignore_routes_with_linkdown": 1,
};
const FORWARDS = {
  "net.ipv4.ip_forward": 1,
  "net.ipv6.conf.all.forwarding": 1,
  // As IPv4 and as routers have it: a link that goes down and up again has its addresses.
  "net.ipv6.conf.all.keep_addr_on_down": 1,
  // Connections, not pairs of hosts, are spread over equal ways.
  "net.ipv4.fib_multipath_hash_policy": 1,
  "net.ipv6.fib_multipath_hash_policy": 1,
  ...DARK_LINKS_ARE_NO_WAY,
};

/** A server of the network as its leaves know it. */
export interface ServerPlace {
  /** 1 to 9. */
  readonly number: number;
  /** Its own; the leaves have static routes to them. */
  readonly addresses: Both;
  readonly asn: number;
}

export interface Router {
  readonly label: string;
  readonly namespace: Namespace;
  readonly bird: Bird;
}

/** A router that servers have an uplink and a session to. */
export interface Leaf extends Router {
  /** Loses power: its BIRD says no good-bye, its links are dark. */
  die(): Promise<void>;
  revive(): Promise<void>;
}

/** Two leaves with a spine above them, all with BIRD, and something outside behind the spine. */
export interface Fabric {
  readonly leaves: readonly Leaf[];
  readonly spine: Router;
  readonly outside: Host;
}

/** What a server is told of an uplink. */
export interface Uplink {
  readonly neighbor: string;
  readonly asn: number;
}

export function uplinksOf(server: number): readonly Uplink[] {
  return LEAVES.map((leaf) => ({ neighbor: leafEnd(leaf, server)[0], asn: leafAsn(leaf) }));
}

export async function makeFabric(folder: string, servers: readonly ServerPlace[], undoing: Undoing): Promise<Fabric> {
  const spine = await makeRouter("spine");
  const outside = await Namespace.create("outside");
  await link(
    { namespace: spine, device: "outside", addresses: withLengths(OUTSIDE.routers, OUTSIDE.lengths) },
    { namespace: outside, device: "eth0", addresses: withLengths(OUTSIDE.addresses, OUTSIDE.lengths) },
  );
  await outside.batch(...OUTSIDE.routers.map((router) => `route add default via ${router}`));
  const configuration = leafConfiguration({
    routerId: OUTSIDE.routers[0],
    asn: SPINE_ASN,
    neighbors: LEAVES.map((leaf) => ({ name: `leaf${leaf}`, address: leafUp(leaf)[0], asn: leafAsn(leaf) })),
  });
  const leaves = await Promise.all(
    LEAVES.map((leaf) => makeLeaf(leaf, { folder: join(folder, `leaf${leaf}`), spine, servers, undoing })),
  );
  const bird = await startBird(spine, join(folder, "spine"), configuration, undoing);
  return {
    leaves,
    spine: { label: "spine", namespace: spine, bird },
    outside: await Host.start("outside", outside, OUTSIDE.addresses),
  };
}

/** The namespace of a server with its uplinks, and a default route over both of them. */
export async function plugServer({ number, addresses }: ServerPlace, leaves: readonly Leaf[]): Promise<Namespace> {
  const namespace = await Namespace.create(`node${number}`);
  await namespace.sysctl(FORWARDS);
  await namespace.batch(...withLengths(addresses, HOST_LENGTHS).map((address) => `address add ${address} dev lo`));
  for (const [index, leaf] of leaves.entries()) {
    await link(
      {
        namespace: leaf.namespace,
        device: `node${number}`,
        addresses: withLengths(leafEnd(index + 1, number), LINK_LENGTHS),
      },
      { namespace, device: `up${index + 1}`, addresses: withLengths(serverEnd(index + 1, number), LINK_LENGTHS) },
    );
  }
  await namespace.batch(
    ...addresses.map((address, family) => {
      const ways = LEAVES.map((leaf) => `nexthop via ${leafEnd(leaf, number)[family]} dev up${leaf}`);
      return `route add default src ${address} ${ways.join(" ")}`;
    }),
  );
  return namespace;
}

export async function describeRouter({ label, bird, namespace }: Router): Promise<string> {
  const routes = `-- ${label}: ip route\n${await namespace.ip("route")}${await namespace.ip("-6", "route")}`;
  if (!bird.running) return `${routes}-- ${label}: BIRD does not run`;
  return `${routes}-- ${label}: BIRD\n${await bird.birdc("show", "protocols")}${bird.log.split("\n").slice(-6).join("\n")}`;
}

async function makeLeaf(
  leaf: number,
  place: {
    readonly folder: string;
    readonly spine: Namespace;
    readonly servers: readonly ServerPlace[];
    readonly undoing: Undoing;
  },
): Promise<Leaf> {
  const { folder, spine, servers, undoing } = place;
  const label = `leaf${leaf}`;
  const namespace = await makeRouter(label);
  await link(
    { namespace, device: "spine", addresses: withLengths(leafUp(leaf), LINK_LENGTHS) },
    { namespace: spine, device: label, addresses: withLengths(spineEnd(leaf), LINK_LENGTHS) },
  );
  const neighbors = servers.map(({ number, asn }) => ({
    name: `node${number}`,
    address: serverEnd(leaf, number)[0],
    asn,
  }));
  // Servers announce their pods alone: their own addresses are the leaf's to know.
  const own = (["ipv4", "ipv6"] as const).map((family, at) => {
    const routes = servers.map(({ number, addresses }) => {
      return `  route ${addresses[at]}/${HOST_LENGTHS[at]} via ${serverEnd(leaf, number)[at]};\n`;
    });
    return `protocol static servers_${family} { ${family};\n${routes.join("")}}\n`;
  });
  const configuration = leafConfiguration({
    routerId: leafUp(leaf)[0],
    asn: leafAsn(leaf),
    neighbors: [{ name: "spine", address: spineEnd(leaf)[0], asn: SPINE_ASN }, ...neighbors],
    more: own.join(""),
  });
  const bird = await startBird(namespace, folder, configuration, undoing);
  const setLinks = async (state: "up" | "down") => {
    const links = await namespace.ipJson<{ ifname: string }>("link", "show", "type", "veth");
    await namespace.batch(...links.map(({ ifname }) => `link set dev ${ifname} ${state}`));
  };
  return {
    label,
    namespace,
    bird,
    die: async () => {
      await bird.stop("SIGKILL");
      await setLinks("down");
    },
    revive: async () => {
      await setLinks("up");
      await bird.start();
    },
  };
}

async function startBird(namespace: Namespace, folder: string, configuration: string, undoing: Undoing): Promise<Bird> {
  const bird = new Bird({ namespace: namespace.name, folder, configuration });
  undoing.add(() => bird.stop("SIGKILL"));
  await bird.start();
  return bird;
}

async function makeRouter(label: string): Promise<Namespace> {
  const namespace = await Namespace.create(label);
  await namespace.sysctl(FORWARDS);
  return namespace;
}

interface End {
  readonly namespace: Namespace;
  readonly device: string;
  readonly addresses: readonly string[];
}

function withLengths(addresses: Both, lengths: readonly [number, number]): readonly string[] {
  return addresses.map((address, family) => `${address}/${lengths[family]}`);
}

/** A veth pair between two namespaces, both ends up. */
async function link(a: End, b: End): Promise<void> {
  await a.namespace.ip("link", "add", a.device, "type", "veth", "peer", "name", b.device, "netns", b.namespace.name);
  for (const { namespace, device, addresses } of [a, b]) {
    const lines = addresses.map((address) => `address add ${address} dev ${device}`);
    await namespace.batch(`link set dev ${device} up`, ...lines);
  }
}
