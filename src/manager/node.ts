import { environmentOf, prefixModeOf, type Settings } from "../configuration/index.ts";
import { effectivePreAllocate, interfaceMaximum, nodeMaximum, type PlanInput, type Step } from "../planning/index.ts";
import { type Block, type Family, Pool, PoolError } from "../pool/index.ts";
import type { AgentView } from "./agent-view.ts";
import { fixedBlock } from "./fixed-held.ts";
import { isFencedPrefix } from "./fixed-prefixes.ts";
import { NotedMap } from "./noted-map.ts";
import {
  type FixedRecord,
  type InterfaceRecord,
  NODE_INTERFACE,
  type NodeFacts,
  type Resolution,
} from "./ports/index.ts";
import { rangeCapacity, rangeSupply, type Supply, scarcerFamily } from "./range-supply.ts";
import type { RunningIntent } from "./running-intent.ts";
import { takenFromSubnet } from "./step-sizes.ts";

export type { RunningIntent } from "./running-intent.ts";

/** All that the manager knows of its node: the pool and the facts around it. Only the manager changes it. */
export class NodeState {
  /** How often something here changed, the pool left out. */
  #changes = 0;
  readonly #noted = (): void => {
    this.#changes++;
  };
  #facts: NodeFacts | undefined;
  #resolution: Resolution | undefined;
  #settings: Settings;
  #agent: AgentView | undefined;
  #trusted: ReadonlySet<string> = new Set();
  #ownAddresses: ReadonlyMap<string, string> = new Map();
  #watermarks: PlanInput["watermarks"] | undefined;
  readonly #createPool: () => Pool;

  pool: Pool;
  readonly interfaces = new NotedMap<string, InterfaceRecord>(this.#noted);
  readonly intents = new NotedMap<string, RunningIntent>(this.#noted);
  resolvedAtMs = 0;
  /** Addresses asked for in each subnet since `resolvedAtMs`. */
  readonly takenSince = new NotedMap<string, number>(this.#noted);
  /** Addresses on an interface that the pool holds under another one, where a lease keeps them; they take slots here. */
  readonly strays = new NotedMap<string, number>(this.#noted);
  /**
   * Blocks that a step brought while the pool held them elsewhere, where they were on their way back: EC2 gives what it
   * got back to the next who asks, also before the answer is here that it has it. They join when the others have left.
   */
  readonly homeless = new NotedMap<string, Block>(this.#noted);
  /** Since when nothing on an interface is leased or cools; wall ms. */
  readonly idleSinceMs = new NotedMap<string, number>(this.#noted);
  /** What went back to the cloud since the process started. */
  readonly givenBack = { addresses: 0, interfaces: 0 };
  /** Blocks in use that EC2 says twice the node does not have, and since when (wall ms): their leases are `lost`. */
  readonly lostSinceMs = new NotedMap<string, number>(this.#noted);
  /** What the node knows of fixed addresses, by "namespace/name" of their pods (fixed-book.ts). */
  readonly fixed = new NotedMap<string, FixedRecord>(this.#noted);
  /** A primary address that is no longer for pods waits for the end of its lease. */
  primaryLeaves = false;
  /** Ranges of podCIDRs are on their way to the disk: their addresses can be leased once they are there. */
  rangesJoin = false;

  constructor(settings: Settings, createPool: () => Pool = () => new Pool()) {
    this.#settings = settings;
    this.#createPool = createPool;
    this.pool = createPool();
  }

  /**
   * Names what the node is like but for its leases: while it stays the same, so do interfaces, blocks, intents, limits,
   * resolution and settings. What happens inside a step under way is not part of it.
   */
  get shape(): number {
    return this.#changes + this.pool.changes.blocks;
  }

  /** The same with the states of the addresses. */
  get version(): number {
    return this.shape + this.pool.changes.addresses;
  }

  get facts(): NodeFacts | undefined {
    return this.#facts;
  }

  set facts(facts: NodeFacts | undefined) {
    this.#facts = facts;
    this.#watermarks = undefined;
    this.#changes++;
  }

  get resolution(): Resolution | undefined {
    return this.#resolution;
  }

  set resolution(resolution: Resolution | undefined) {
    this.#resolution = resolution;
    this.#changes++;
  }

  get settings(): Settings {
    return this.#settings;
  }

  set settings(settings: Settings) {
    this.#settings = settings;
    this.#watermarks = undefined;
    this.#changes++;
  }

  /** Subnets that the same selection allowed when EC2 was asked last: the warm start serves from them until it is asked. */
  get trusted(): ReadonlySet<string> {
    return this.#trusted;
  }

  set trusted(subnetIds: ReadonlySet<string>) {
    this.#trusted = subnetIds;
    this.#changes++;
  }

  /** Addresses that devices of the node have, and the device of each; empty where they are not looked for. */
  get ownAddresses(): ReadonlyMap<string, string> {
    return this.#ownAddresses;
  }

  set ownAddresses(addresses: ReadonlyMap<string, string>) {
    this.#ownAddresses = addresses;
    this.#changes++;
  }

  /** Cilium's agent takes the addresses itself (agent.ts). Undefined: pods ask for them by CNI. */
  get agent(): AgentView | undefined {
    return this.#agent;
  }

  set agent(view: AgentView | undefined) {
    this.#agent = view;
    this.#changes++;
  }

  /** Whether the agent may give an address of the block to a pod at any moment, whatever is free of it here. */
  isHeldByAgent(cidr: string): boolean {
    return this.#agent !== undefined && !this.#agent.letGo.has(cidr);
  }

  /** Whether pods get addresses of the node's own ranges (podCIDRs), and none of EC2. */
  get hasRanges(): boolean {
    return environmentOf(this.#settings) === "node-cidr";
  }

  /** Everything that belonged to another instance goes; the settings stay. */
  forget(): void {
    // The counts of the new pool begin anew; the sums must not come back to what they were.
    this.#changes += this.pool.changes.blocks + this.pool.changes.addresses + 1;
    this.pool = this.#createPool();
    this.interfaces.clear();
    this.intents.clear();
    this.takenSince.clear();
    this.strays.clear();
    this.homeless.clear();
    this.idleSinceMs.clear();
    this.lostSinceMs.clear();
    this.fixed.clear();
    this.trusted = new Set();
  }

  /** Why the interface carries no pods under the settings; empty when it may. */
  unusableBecause(record: InterfaceRecord): string {
    const firstIndex = this.settings.values["first-interface-index"];
    if (record.id === NODE_INTERFACE) return this.hasRanges ? "" : "podCIDRs names no ranges";
    if (record.foreign) {
      return record.foreignBecause ?? "managed by somebody else or excluded by eni.exclude-interface-tags";
    }
    if (record.deviceIndex < 0) return "not attached";
    if (this.#isLeaving(record.id)) return "it is being removed";
    if (record.networkCard === 0 && record.deviceIndex < firstIndex)
      return `device index ${record.deviceIndex} is below first-interface-index ${firstIndex}`;
    if (this.resolution === undefined) {
      return this.trusted.has(record.subnetId) ? "" : "the allowed subnets are not known yet";
    }
    const allowed = this.resolution.subnets.some((subnet) => subnet.id === record.subnetId);
    return allowed ? "" : `subnet ${record.subnetId} is not among the allowed ones`;
  }

  /** Brings the pool's view of every interface in line with settings and resolution; true if one became usable. */
  refreshUsability(): boolean {
    let more = false;
    for (const record of this.interfaces.values()) {
      const usable = this.unusableBecause(record) === "";
      more ||= usable && this.pool.interface(record.id)?.usable === false;
      this.pool.upsertInterface({ id: record.id, index: this.poolIndex(record), usable });
    }
    return more;
  }

  /** Order of filling: card after card, on each by device index. */
  poolIndex({ networkCard, deviceIndex }: InterfaceRecord): number {
    return deviceIndex < 0 ? deviceIndex : networkCard * 1_000 + deviceIndex;
  }

  /** All blocks of the interface, of either family. */
  cidrsOn(interfaceId: string): string[] {
    const blocks = [...this.pool.blocks()].map(({ block }) => block);
    return blocks.filter((block) => block.interfaceId === interfaceId).map((block) => block.cidr);
  }

  /** The interface is the node's no longer; no block of it is left in the pool. */
  forgetInterface(interfaceId: string): void {
    this.interfaces.delete(interfaceId);
    this.strays.delete(interfaceId);
    this.idleSinceMs.delete(interfaceId);
    this.pool.removeInterface(interfaceId);
  }

  /**
   * Pod addresses the node can hold at most under the settings, without what interfaces take up that can carry none; 0 while
   * the limits are unknown.
   */
  capacity(): number {
    if (this.hasRanges) return rangeCapacity(this);
    if (this.facts === undefined) return 0;
    const limits = this.planLimits(this.facts);
    let most = nodeMaximum(limits, { prefixes: this.takesPrefixes });
    for (const record of this.interfaces.values()) {
      if (this.#isInTheWay(record)) most -= interfaceMaximum(limits, record, { prefixes: this.takesPrefixes });
    }
    return Math.max(0, most);
  }

  /** Whether it takes a place that is for pods and will never carry one: of somebody else, or in another subnet. */
  #isInTheWay({ foreign, networkCard, deviceIndex, subnetId }: InterfaceRecord): boolean {
    if (deviceIndex < 0 || (networkCard === 0 && deviceIndex < this.settings.values["first-interface-index"]))
      return false;
    return foreign || (this.resolution?.subnets.every(({ id }) => id !== subnetId) ?? false);
  }

  watermarks(): PlanInput["watermarks"] {
    // Ranges come and go with the settings and the pods, not with the facts.
    if (this.hasRanges) return this.#computeWatermarks();
    this.#watermarks ??= this.#computeWatermarks();
    return this.#watermarks;
  }

  #computeWatermarks(): PlanInput["watermarks"] {
    const { values, origins } = this.settings;
    return {
      preAllocate: this.#preAllocate(values["pre-allocate"], origins["pre-allocate"].kind === "default"),
      minAllocate: values["min-allocate"],
      maxAllocate: values["max-allocate"],
      maxAboveWatermark: values["max-above-watermark"],
    };
  }

  #preAllocate(configured: number, isDefault: boolean): number {
    if (this.hasRanges) return isDefault ? Math.min(configured, rangeCapacity(this) || configured) : configured;
    if (this.facts === undefined) return configured;
    const limits = this.planLimits(this.facts);
    return effectivePreAllocate(configured, isDefault, limits, { prefixes: this.takesPrefixes });
  }

  /** The family that decides whether a pod can be served: IPv4, unless pods have IPv6 addresses only. */
  get family(): Family {
    if (this.hasRanges) return scarcerFamily(this);
    return this.settings.values["ip-families"] === "ipv6" ? "ipv6" : "ipv4";
  }

  /** Whether the settings name no security groups, so that those of the primary interface are everyone's. */
  get inheritsGroups(): boolean {
    const { values } = this.settings;
    return values["security-groups"].length === 0 && Object.keys(values["security-group-tags"]).length === 0;
  }

  /** Whether pods get IPv6 addresses. */
  get servesIpv6(): boolean {
    return this.settings.values["ip-families"] !== "ipv4";
  }

  /** Whether the node grows by prefixes. */
  get takesPrefixes(): boolean {
    return prefixModeOf(this.settings) !== "off" && this.facts !== undefined && carriesPrefixes(this.facts);
  }

  /** Addresses on usable interfaces: what the watermarks count. Cooling ones are not to be given out, so they are used. */
  supply(family: Family = this.family): Supply {
    if (this.hasRanges) return rangeSupply(this, family);
    const counts = this.pool.usableCounts(family);
    const available = counts.total - counts.releasing;
    const taken = counts.leased + counts.cooling;
    const unnamed = family === "ipv4" ? (this.#agent?.usedCount ?? 0) : 0;
    if (unnamed <= taken) return { available, used: taken, free: counts.free };
    // What is asked for beyond that waits (agent.ts).
    const used = Math.min(unnamed, available);
    return { available, used, free: available - used };
  }

  /** How many pods can be given all of their addresses now. */
  freeForPods(): number {
    const { free } = this.supply();
    return this.settings.values["ip-families"] === "dual" ? Math.min(free, this.supply("ipv6").free) : free;
  }

  /** Enters the block unless the pool holds it, or something that overlaps it. Answers whether it was entered. */
  enter(block: Block): boolean {
    try {
      const isNew = this.pool.addBlock(block);
      // For its pod and no other from the first moment on.
      if (fixedBlock(this, block.cidr) !== undefined || isFencedPrefix(this, block.cidr))
        this.pool.keep(block.cidr, true);
      return isNew;
    } catch (error) {
      // A lost lease may still keep an address that EC2 gave to this node anew: it is nobody's until that lease ends.
      if (error instanceof PoolError && error.refusal === "overlap") return false;
      throw error;
    }
  }

  /** The primary address as a block for pods (use-primary-address); undefined where it is not for pods. */
  primaryBlock(record: InterfaceRecord): Block | undefined {
    if (!this.settings.values["use-primary-address"] || record.primaryAddress === "") return undefined;
    // The address of the node itself is for no pod.
    if (record.foreign || record.id === this.facts?.primaryInterfaceId || this.facts === undefined) return undefined;
    return { cidr: `${record.primaryAddress}/32`, interfaceId: record.id, kind: "address" };
  }

  /**
   * Primary addresses that are no longer for pods leave the pool, those in use once they are free; answers those that
   * left.
   */
  retirePrimaries(): string[] {
    const retired: string[] = [];
    this.primaryLeaves = false;
    for (const record of this.interfaces.values()) {
      const cidr = `${record.primaryAddress}/32`;
      const known = this.holdsPrimary(record) ? this.pool.block(cidr) : undefined;
      if (known === undefined || known.releasing > 0 || this.#isLeaving(record.id)) continue;
      if (this.primaryBlock(record) !== undefined) {
        if (!known.usable && !this.lostSinceMs.has(cidr)) this.pool.setBlockUsable(cidr, true);
        continue;
      }
      if (known.leased + known.cooling > 0) {
        this.primaryLeaves = true;
        this.pool.setBlockUsable(cidr, false);
      } else if (this.pool.removeBlock(cidr)) retired.push(cidr);
    }
    return retired;
  }

  /** Whether the pool holds the primary address of the interface: it takes no slot. */
  holdsPrimary({ primaryAddress, id }: InterfaceRecord): boolean {
    return primaryAddress !== "" && this.pool.block(`${primaryAddress}/32`)?.block.interfaceId === id;
  }

  /** What a step takes out of its subnet (`sign` 1), or did not take after all (-1). */
  takeFromSubnet(step: Step, sign: 1 | -1): void {
    if (step.kind !== "add-blocks" && step.kind !== "create-interface") return;
    const taken = (this.takenSince.get(step.subnetId) ?? 0) + sign * takenFromSubnet(step);
    // Below zero, it was taken before the free addresses were read last.
    this.takenSince.set(step.subnetId, Math.max(0, taken));
  }

  /** A step under way makes this interface, or takes it away: nobody else may touch it before that ended. */
  isInTheMaking(interfaceId: string): boolean {
    return [...this.intents.values()].some(
      ({ intent: { step, interfaceId: made } }) =>
        (step.kind === "create-interface" && made === interfaceId) ||
        (step.kind === "remove-interface" && step.interfaceId === interfaceId),
    );
  }

  /** Whether a step changes this interface at the moment. */
  isBusy(interfaceId: string): boolean {
    return [...this.intents.values()].some(
      ({ intent }) =>
        intent.interfaceId === interfaceId || ("interfaceId" in intent.step && intent.step.interfaceId === interfaceId),
    );
  }

  planLimits(facts: NodeFacts): PlanInput["limits"] {
    const { maxInterfaces, ipv4PerInterface, cards } = facts.limits;
    return {
      maxInterfaces,
      addressesPerInterface: ipv4PerInterface,
      firstInterfaceIndex: this.settings.values["first-interface-index"],
      ...(cards === undefined ? {} : { cards }),
      prefixes: carriesPrefixes(facts),
      usePrimaryAddress: this.settings.values["use-primary-address"],
    };
  }

  #isLeaving(interfaceId: string): boolean {
    return [...this.intents.values()].some(
      ({ intent: { step } }) => step.kind === "remove-interface" && step.interfaceId === interfaceId,
    );
  }
}

/** Prefixes need Nitro or bare metal (EC2 User Guide, "Assign prefixes to network interfaces"). */
function carriesPrefixes({ limits }: NodeFacts): boolean {
  return limits.hypervisor === "nitro" || limits.bareMetal;
}
