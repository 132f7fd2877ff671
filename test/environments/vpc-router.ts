import type { NetworkInterface, SimulatedCloud } from "../../src/simulator/index.ts";
import { run } from "./commands.ts";
import type { Namespace } from "./namespace.ts";

/** EC2's own; the router has it on each wire. */
export const IPV6_GATEWAY = "fe80:ec2::1";
/** EC2 sends to the MAC of an interface without asking who has the address. These stand for the neighbour on the wire. */
const NEIGHBOUR = { ipv4: "169.254.255.1", ipv6: "fe80::ffff" } as const;
/** Attachments that time brings to their end are seen within this. */
const LOOK_MS = 50;

/** A machine whose interfaces are made real. */
export interface Machine {
  readonly instanceId: string;
  readonly namespace: Namespace;
  /** What its system calls the device. */
  deviceName(deviceIndex: number): string;
  /** Its system sets up the primary interface, and no other one. */
  setUpPrimary(device: string, one: NetworkInterface): Promise<void>;
}

/** What of the answer of `nft -j` is read here. */
interface NftEntry {
  readonly name?: string;
  readonly packets?: number;
  readonly elem?: readonly { readonly concat?: readonly string[] }[];
}

interface Wire {
  readonly machine: Machine;
  readonly device: string;
  readonly at: number;
  /** Addresses and prefixes that lead to it and may be a source on it. */
  readonly cidrs: Set<string>;
}

/**
 * The network of the simulated cloud: for each interface that is attached to a machine a wire (veth) from the machine to the
 * router namespace with the interface's MAC. The router knows to which wire an address leads, answers for every gateway,
 * and drops what comes out of a wire with a source that its interface does not have, as EC2 does.
 */
export class VpcRouter {
  readonly namespace: Namespace;
  readonly #cloud: SimulatedCloud;
  readonly #machines = new Map<string, Machine>();
  readonly #wires = new Map<string, Wire>();
  readonly #timer: NodeJS.Timeout;
  #made = 0;
  #syncing: Promise<void> = Promise.resolve();
  #failure: unknown;

  private constructor(namespace: Namespace, cloud: SimulatedCloud) {
    this.namespace = namespace;
    this.#cloud = cloud;
    this.#timer = setInterval(() => void this.sync().catch(() => {}), LOOK_MS);
  }

  /** `own`: what the router itself has: gateways of the subnets, and the address of the cloud's endpoints. */
  static async open(namespace: Namespace, cloud: SimulatedCloud, own: readonly string[]): Promise<VpcRouter> {
    await namespace.sysctl({
      "net.ipv4.ip_forward": 1,
      "net.ipv6.conf.all.forwarding": 1,
      "net.ipv4.conf.default.proxy_arp": 1,
      "net.ipv4.conf.default.rp_filter": 0,
    });
    await namespace.batch(...own.map((address) => `address add ${address} dev lo`));
    await namespace.run("nft", ["-f", "-"], { input: RULES });
    return new VpcRouter(namespace, cloud);
  }

  /** The machine has power: what is attached to it appears in its namespace. */
  async powerOn(machine: Machine): Promise<void> {
    this.#machines.set(machine.instanceId, machine);
    await this.sync();
  }

  /** Its wires are gone. */
  async powerOff(instanceId: string): Promise<void> {
    this.#machines.delete(instanceId);
    await this.sync();
  }

  /** Who sent packets out of a wire with a source that its interface does not have: wire and source. They were dropped. */
  async spoofed(): Promise<readonly string[]> {
    const text = await this.namespace.run("nft", ["-j", "list", "table", "inet", "vpc"]);
    const { nftables } = JSON.parse(text) as { nftables: Record<string, NftEntry | undefined>[] };
    const by = nftables
      .flatMap(({ set }) => (set?.name?.startsWith("spoofers") === true ? (set.elem ?? []) : []))
      .map(({ concat = [] }) => concat.join(" "));
    const packets = nftables.find(({ counter }) => counter?.name === "spoofed")?.counter?.packets ?? 0;
    return packets > 0 && by.length === 0 ? [`${packets} packets of nobody knows whom`] : by;
  }

  /** Nothing was ever spoofed. */
  async forgetSpoofed(): Promise<void> {
    const input = "reset counter inet vpc spoofed\nflush set inet vpc spoofers4\nflush set inet vpc spoofers6\n";
    await this.namespace.run("nft", ["-f", "-"], { input });
  }

  /** Resolves once the network is as the cloud was when it was asked, or later. */
  sync(): Promise<void> {
    const synced = this.#syncing.then(() => this.#sync());
    this.#syncing = synced.catch((error) => {
      this.#failure ??= error;
    });
    return synced;
  }

  /** Rejects with what went wrong with the network first, if anything did. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#syncing;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #sync(): Promise<void> {
    const plugged = new Map(
      this.#cloud.truth().interfaces.flatMap((one) => (this.#isPlugged(one) ? [[one.id, one]] : [])),
    );
    for (const [id, wire] of this.#wires) {
      const { instanceId } = wire.machine;
      if (plugged.has(id) && this.#machines.get(instanceId) === wire.machine) continue;
      await this.#unplug(id, wire);
    }
    for (const [id, one] of plugged) {
      if (!this.#wires.has(id)) await this.#plug(one);
    }
    await this.#lead(plugged);
  }

  #isPlugged({ attachment }: NetworkInterface): boolean {
    return attachment !== undefined && attachment.status !== "detaching" && this.#machines.has(attachment.instanceId);
  }

  async #plug(one: NetworkInterface): Promise<void> {
    const { instanceId, deviceIndex } = one.attachment ?? { instanceId: "", deviceIndex: 0 };
    const machine = this.#machines.get(instanceId);
    if (machine === undefined) return;
    const at = ++this.#made;
    const device = `wire${at}`;
    const far = machine.deviceName(deviceIndex);
    await this.namespace.batch(
      `link add ${device} type veth peer name ${far} address ${one.mac} netns ${machine.namespace.name}`,
      `link set ${device} addrgenmode none`,
      // EC2 answers at once when a machine asks who has an address; Linux takes up to 0.8 s before it answers for others.
      `ntable change name arp_cache dev ${device} proxy_delay 0`,
      `link set ${device} up`,
      `address add ${IPV6_GATEWAY}/64 dev ${device} nodad`,
      `neighbour replace ${NEIGHBOUR.ipv4} lladdr ${one.mac} dev ${device} nud permanent`,
      `neighbour replace ${NEIGHBOUR.ipv6} lladdr ${one.mac} dev ${device} nud permanent`,
    );
    this.#wires.set(one.id, { machine, device, at, cidrs: new Set() });
    if (deviceIndex === 0) await machine.setUpPrimary(far, one);
  }

  async #unplug(id: string, wire: Wire): Promise<void> {
    await this.#change([{ wire, gone: [...wire.cidrs], come: [] }]);
    this.#wires.delete(id);
    // It may have gone with its machine.
    await this.namespace.run("sh", ["-c", 'ip link del "$1" 2>/dev/null || true', "sh", wire.device]);
  }

  async #lead(plugged: ReadonlyMap<string, NetworkInterface>): Promise<void> {
    const changes: Change[] = [];
    for (const [id, one] of plugged) {
      const wire = this.#wires.get(id);
      if (wire === undefined) continue;
      const wanted = new Set(cidrsOf(one));
      const gone = [...wire.cidrs].filter((cidr) => !wanted.has(cidr));
      const come = [...wanted].filter((cidr) => !wire.cidrs.has(cidr));
      if (gone.length + come.length > 0) changes.push({ wire, gone, come });
    }
    await this.#change(changes);
  }

  async #change(changes: readonly Change[]): Promise<void> {
    const routes: string[] = [];
    const elements: string[] = [];
    // What goes first: an address that moves between interfaces goes and comes in one change.
    for (const { wire, gone } of changes) {
      for (const cidr of gone) {
        wire.cidrs.delete(cidr);
        elements.push(`delete element inet vpc ${allowedSet(cidr)} { "${wire.device}" . ${cidr} }`);
        routes.push(`route del ${cidr} dev ${wire.device}`);
      }
    }
    for (const { wire, come } of changes) {
      for (const cidr of come) {
        wire.cidrs.add(cidr);
        elements.push(`add element inet vpc ${allowedSet(cidr)} { "${wire.device}" . ${cidr} }`);
        const via = cidr.includes(":") ? NEIGHBOUR.ipv6 : NEIGHBOUR.ipv4;
        routes.push(`route replace ${cidr} via ${via} dev ${wire.device} onlink`);
      }
    }
    if (elements.length === 0) return;
    await this.namespace.run("nft", ["-f", "-"], { input: `${elements.join("\n")}\n` });
    // `-force`: a route may have gone with its device.
    const input = `${routes.join("\n")}\n`;
    await run("sh", ["-c", 'ip -force -n "$1" -batch - 2>/dev/null || true', "sh", this.namespace.name], { input });
  }
}

interface Change {
  readonly wire: Wire;
  readonly gone: readonly string[];
  readonly come: readonly string[];
}

function cidrsOf(one: NetworkInterface): readonly string[] {
  const single = [one.primaryAddress, ...one.secondaryAddresses, ...one.ipv6Addresses].filter((text) => text !== "");
  return [...single, ...one.prefixes, ...one.ipv6Prefixes];
}

function allowedSet(cidr: string): string {
  return cidr.includes(":") ? "sources6" : "sources4";
}

const RULES = `
table inet vpc {
  counter spoofed { }
  set sources4 { type ifname . ipv4_addr; flags interval; }
  set sources6 { type ifname . ipv6_addr; flags interval; }
  set spoofers4 { type ifname . ipv4_addr; flags dynamic; size 1024; }
  set spoofers6 { type ifname . ipv6_addr; flags dynamic; size 1024; }
  chain spoofed4 {
    add @spoofers4 { iifname . ip saddr }
    counter name spoofed drop
  }
  chain spoofed6 {
    add @spoofers6 { iifname . ip6 saddr }
    counter name spoofed drop
  }
  chain check {
    type filter hook prerouting priority raw; policy accept;
    meta nfproto ipv4 iifname "wire*" iifname . ip saddr != @sources4 goto spoofed4
    meta nfproto ipv6 iifname "wire*" ip6 saddr != { ::/128, fe80::/10 } iifname . ip6 saddr != @sources6 goto spoofed6
  }
}
`;
