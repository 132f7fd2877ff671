import { CILIUM_NODES, type KubernetesApi } from "../../../src/handoff/cilium-node/api.ts";
import type { Dialect } from "../../../src/handoff/cilium-node/port.ts";
import {
  KEPT,
  MARKED,
  type NodeView,
  READY,
  RELEASED,
  readNode,
} from "../../../src/simulator/cilium-agent/node-view.ts";

interface CloudInterface {
  readonly id: string;
  readonly number: number;
  readonly addresses: Set<string>;
  readonly prefixes: Set<string>;
  nextHost: number;
}

type Fields = Record<string, unknown>;

const PREFIX_SIZE = 16;
/** An agent has taken what it is offered, and has said so, after this time. */
const TAKEN_MS = 150_000;

/**
 * Whoever serves the node, in small: what EC2 has on it, told to the agent in the right order, and taken back by the
 * handshake. Faults of it are written straight into the resource by the tests.
 */
export class Operator {
  /** How it speaks; classic pools are kept up in every dialect, since an agent may go back to one. */
  dialect: Dialect;
  /** Of dialect eni-1.20: whether it takes back what the agent let go. */
  withdraws = true;
  /** Addresses and prefixes that went back to EC2. */
  gaveBack = 0;
  /** What EC2 has on the node. */
  readonly cloud = new Map<string, CloudInterface>();
  /** CIDRs of dialect eni-1.20 that are offered no more, and since when. */
  readonly #withheld = new Map<string, number>();
  readonly #offeredAtMs = new Map<string, number>();
  readonly #api: KubernetesApi;
  readonly #nodeName: string;

  constructor(api: KubernetesApi, nodeName: string, dialect: Dialect) {
    this.#api = api;
    this.#nodeName = nodeName;
    this.dialect = dialect;
  }

  addInterface(id: string, number: number): this {
    this.cloud.set(id, { id, number, addresses: new Set(), prefixes: new Set(), nextHost: 10 });
    return this;
  }

  grow(id: string, count: number): readonly string[] {
    const one = this.#interface(id);
    const fresh = Array.from({ length: count }, (_, index) => `10.0.${one.number}.${one.nextHost + index}`);
    one.nextHost += count;
    for (const address of fresh) one.addresses.add(address);
    return fresh;
  }

  growPrefix(id: string): string {
    const one = this.#interface(id);
    const cidr = `10.1.${one.number}.${one.prefixes.size * PREFIX_SIZE}/28`;
    one.prefixes.add(cidr);
    return cidr;
  }

  /** Every address that EC2 has for pods of the node. */
  held(): ReadonlySet<string> {
    return new Set([...this.cloud.values()].flatMap((one) => [...one.addresses, ...expanded(one)]));
  }

  async read(): Promise<NodeView> {
    const object = await this.#api.get(CILIUM_NODES, { name: this.#nodeName });
    if (object === undefined) throw new Error("there is no CiliumNode");
    return readNode(object);
  }

  /** What is added goes into the status first; what goes leaves the pool first. */
  async publish(): Promise<void> {
    const before = await this.read();
    const wanted = this.#pool();
    const known = this.#status();
    const leaving = [...(before.pool?.keys() ?? [])].filter((address) => !wanted.has(address));
    if (leaving.length > 0) await this.spec({ ipam: { pool: nulls(leaving) } });
    const gone = before.interfaces.map(({ id }) => id).filter((id) => known[id] === undefined);
    if (this.dialect !== "crd") await this.status({ eni: { enis: { ...known, ...nulls(gone) } } });
    await this.spec({ ipam: { pool: Object.fromEntries(wanted) } });
  }

  spec(spec: Fields): Promise<unknown> {
    return this.#patch({ spec });
  }

  status(status: Fields): Promise<unknown> {
    return this.#api.patch(CILIUM_NODES, { name: this.#nodeName }, { status }, { subresource: "status" });
  }

  releaseIps(states: Record<string, string | null>): Promise<unknown> {
    return this.status({ ipam: { "release-ips": states } });
  }

  /** One step of each handshake that is under way. */
  async step(nowMs: number): Promise<void> {
    const node = await this.read();
    if (this.dialect !== "eni-1.20") await this.#stepClassic(node);
    else if (node.requested.length > 0) await this.#stepPools(node, nowMs);
  }

  /**
   * Another agent takes over: nothing that was agreed upon with the one before holds, and nothing that it said of its pools
   * may be taken for what this one says.
   */
  async forgetHandshakes(): Promise<void> {
    const { releaseIps } = await this.read();
    this.#withheld.clear();
    this.#offeredAtMs.clear();
    await this.releaseIps(nulls([...releaseIps.keys()]));
    await this.spec({ ipam: { pools: null } });
    await this.publish();
  }

  /** An address as it is given back to EC2. */
  unassign(address: string): void {
    this.gaveBack += 1;
    for (const { addresses } of this.cloud.values()) addresses.delete(address);
  }

  async #stepClassic(node: NodeView): Promise<void> {
    const states = [...node.releaseIps];
    const of = (state: string) => states.filter(([, one]) => one === state).map(([address]) => address);
    const [ready = [], kept = []] = [of(READY), of(KEPT)];
    for (const address of ready) this.unassign(address);
    const told = Object.fromEntries([
      ...ready.map((address) => [address, RELEASED] as const),
      ...kept.map((address) => [address, null] as const),
    ]);
    if (ready.length + kept.length > 0) await this.releaseIps(told);
    if (ready.length > 0 || of(RELEASED).some((address) => node.pool?.has(address))) await this.publish();
  }

  /**
   * What the agent has had the time to take and has not got (it never shows what it lets go at once) is offered no more, and
   * given back only when it has had the time to say otherwise.
   */
  async #stepPools(node: NodeView, nowMs: number): Promise<void> {
    const allocated = new Set(node.allocated.flatMap(({ cidrs }) => cidrs));
    for (const [cidr, sinceMs] of this.#withheld) {
      if (allocated.has(cidr)) this.#withheld.delete(cidr);
      else if (nowMs - sinceMs > TAKEN_MS) {
        this.#withheld.delete(cidr);
        this.#offeredAtMs.delete(cidr);
        this.unassign(cidr.slice(0, cidr.indexOf("/")));
        for (const { prefixes } of this.cloud.values()) prefixes.delete(cidr);
      }
    }
    for (const cidr of this.#cidrs()) {
      const offeredMs = nowMs - (this.#offeredAtMs.get(cidr) ?? nowMs);
      this.#offeredAtMs.set(cidr, nowMs - offeredMs);
      const isLetGo = this.withdraws && offeredMs > TAKEN_MS && !allocated.has(cidr);
      if (isLetGo && !this.#withheld.has(cidr)) this.#withheld.set(cidr, nowMs);
    }
    await this.publish();
  }

  #cidrs(): readonly string[] {
    return [...this.cloud.values()].flatMap(({ addresses, prefixes }) => [
      ...[...addresses].map((address) => `${address}/32`),
      ...prefixes,
    ]);
  }

  #pool(): ReadonlyMap<string, Fields> {
    const entries = [...this.cloud.values()].flatMap((one) =>
      [...one.addresses, ...expanded(one)]
        .filter((address) => !this.#isWithheld(address))
        .map((address): [string, Fields] => [address, this.dialect === "crd" ? {} : { resource: one.id }]),
    );
    return new Map(entries);
  }

  #status(): Record<string, Fields> {
    const entries = [...this.cloud.values()].map((one): [string, Fields] => [one.id, this.#entry(one)]);
    return Object.fromEntries(entries);
  }

  #entry(one: CloudInterface): Fields {
    const prefixes = [...one.prefixes].filter((cidr) => !this.#withheld.has(cidr));
    const addresses = [...one.addresses].filter((address) => !this.#isWithheld(address));
    return {
      id: one.id,
      ip: `10.0.${one.number}.4`,
      mac: `02:00:00:00:00:0${one.number}`,
      number: one.number,
      "availability-zone": "us-east-1a",
      subnet: { id: `subnet-${one.number}`, cidr: `10.0.${one.number}.0/24` },
      vpc: { id: "vpc-1", "primary-cidr": "10.0.0.0/16", cidrs: ["10.1.0.0/16"] },
      addresses: [...addresses, ...expanded({ ...one, prefixes: new Set(prefixes) })],
      prefixes,
      "security-groups": ["sg-1"],
      tags: {},
    };
  }

  #isWithheld(address: string): boolean {
    return [...this.#withheld.keys()].some((cidr) => cidr === `${address}/32` || expandedOf(cidr).includes(address));
  }

  #interface(id: string): CloudInterface {
    const one = this.cloud.get(id);
    if (one === undefined) throw new Error(`${id} is not there`);
    return one;
  }

  #patch(patch: Fields): Promise<unknown> {
    return this.#api.patch(CILIUM_NODES, { name: this.#nodeName }, patch);
  }
}

export function marks(addresses: readonly string[]): Record<string, string> {
  return Object.fromEntries(addresses.map((address) => [address, MARKED]));
}

function expanded({ prefixes }: Pick<CloudInterface, "prefixes">): readonly string[] {
  return [...prefixes].flatMap(expandedOf);
}

function expandedOf(cidr: string): readonly string[] {
  const [network = "", length] = cidr.split("/");
  if (length !== "28") return [];
  const at = network.lastIndexOf(".") + 1;
  const first = Number(network.slice(at));
  return Array.from({ length: PREFIX_SIZE }, (_, index) => `${network.slice(0, at)}${first + index}`);
}

function nulls(keys: readonly string[]): Record<string, null> {
  return Object.fromEntries(keys.map((key) => [key, null]));
}
