import type { Clock } from "../adapters/index.ts";
import { EnidError } from "../errors.ts";
import type { AgentHandOff, AgentOffer, AgentReport, AgentService } from "../handoff/cilium-node/port.ts";
import { plan } from "../planning/index.ts";
import { type Attachment, type Lease, type Pod, PoolError } from "../pool/index.ts";
import { nodeOffer } from "./agent-offer.ts";
import { addressesOfBlock, isUntold } from "./agent-view.ts";
import { blocksToGive } from "./concluding.ts";
import type { Degradations } from "./degradations.ts";
import { type History, podName } from "./history.ts";
import type { Ledger } from "./ledger.ts";
import type { NodeState } from "./node.ts";
import { planInput } from "./plan-input.ts";
import type { Planner } from "./planner.ts";
import type { Change, Telemetry } from "./ports/index.ts";

export interface AgentPoolOptions {
  readonly node: NodeState;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly history: History;
  readonly telemetry: Telemetry;
  readonly degradations: Degradations;
  /** Absent: pods ask by CNI, and nothing here does anything. */
  readonly handOff: AgentHandOff | undefined;
  readonly planner: () => Planner;
  /** Why nothing may be leased now. */
  readonly closed: () => EnidError | undefined;
  /** Why the node is not ready. */
  readonly notReady: () => EnidError | undefined;
  /** Whether what the node holds and may hold is known, so that a plan can be made. */
  readonly canPlan: () => boolean;
  readonly wake: () => void;
}

/** The network of leases that the agent made: an address is its attachment. */
export const AGENT_NETWORK = "cilium-node";

/**
 * The pool of a node whose addresses Cilium's agent takes itself (handoff/cilium-node). What the agent says is in use is
 * leased here, so that everything which protects a lease protects it; what it does not name may be taken by it at any moment
 * all the same, so a block is given back only once the agent has let go of all of it.
 *
 * With the dialects that shake hands, `wantedBack` names what a plan would give back if the agent let it go. An answer counts
 * only for what is still wanted, and was wanted ever since it was asked for: what was withdrawn is asked for anew, after the
 * agent has seen that.
 */
export class AgentPool implements AgentService {
  readonly #options: AgentPoolOptions;
  readonly #listeners = new Set<() => void>();
  #report: AgentReport | undefined;
  /** Addresses that the agent is asked for. */
  #wanted: ReadonlySet<string> = new Set();
  /** Addresses that it gives to no pod any more. */
  #letGo: ReadonlySet<string> = new Set();
  /** Addresses that it was asked for and is not any more, until it is seen to know. */
  readonly #withdrawn = new Set<string>();
  #unknown = "";
  /** What the settings said at the start; a running daemon stays with it. */
  #begun: string | undefined;

  constructor(options: AgentPoolOptions) {
    this.#options = options;
    if (options.handOff !== undefined) options.node.agent = NOTHING_SAID;
  }

  start(): void {
    this.#options.handOff?.start(this);
  }

  async stop(): Promise<void> {
    this.#listeners.clear();
    await this.#options.handOff?.stop();
  }

  /** Pods that are bound to the node and have no address yet, and what the agent asks for beyond all that the node has. */
  get waitingCount(): number {
    const { agent } = this.#options.node;
    if (agent === undefined) return 0;
    return agent.waiting + Math.max(0, agent.usedCount - this.#options.node.supply("ipv4").available);
  }

  report() {
    return this.#options.handOff?.report();
  }

  agentSays(report: AgentReport): void {
    const { node, wake } = this.#options;
    this.#report = report;
    this.#letGo = addressesOfAll(report.letGo);
    for (const address of this.#withdrawn) if (!this.#letGo.has(address)) this.#withdrawn.delete(address);
    // An agent of 1.20 names no addresses: what one before it had named is held by its CIDRs from then on.
    this.#lease(report.used ?? new Map(), report.restoring);
    this.#agree();
    const { dialect, usedCount, waiting } = report;
    if (isUntold(node.agent, { dialect, usedCount, waiting })) {
      node.agent = { ...(node.agent ?? NOTHING_SAID), dialect, usedCount, waiting, reported: true };
    }
    wake();
  }

  offer(): AgentOffer | undefined {
    const { node, closed, notReady, planner } = this.#options;
    if (closed() !== undefined || node.facts?.vpcCidrs === undefined) return undefined;
    const trouble = notReady();
    const isShort = node.supply("ipv4").free === 0 || trouble !== undefined;
    const error = isShort && planner().lacks ? planner().whyNone() : undefined;
    return nodeOffer(node, node.facts, node.facts.vpcCidrs, {
      wantedBack: [...this.#wanted],
      error: error === undefined ? "" : `${error.message}. ${error.remedy}`,
      ready: trouble === undefined,
    });
  }

  inUse(): ReadonlyMap<string, string> {
    const leases = [...this.#options.node.pool.leases()].filter(
      ({ attachment }) => attachment.network === AGENT_NETWORK,
    );
    return new Map(leases.map(({ address, pod }) => [address, podName(pod)]));
  }

  watchOffer(changed: () => void): () => void {
    this.#listeners.add(changed);
    return () => void this.#listeners.delete(changed);
  }

  /** In every round, before the plan is made: what the agent is asked for, and whether the hand-off works. */
  look(nowMs: number): void {
    const { handOff, degradations } = this.#options;
    this.#tellRestart(nowMs);
    if (handOff === undefined) return;
    this.#ask(nowMs);
    this.#agree();
    const trouble = handOff.trouble();
    if (trouble === undefined) degradations.clear("cilium-node-failing");
    else degradations.set("cilium-node-failing", trouble, nowMs);
  }

  #tellRestart(nowMs: number): void {
    const { node, degradations } = this.#options;
    const wanted = handOffOf(node);
    this.#begun ??= wanted;
    if (wanted === this.#begun) degradations.clear("hand-off-waits");
    else
      degradations.set("hand-off-waits", new EnidError("ENID_HAND_OFF_RESTART", { now: this.#begun, wanted }), nowMs);
  }

  /** At the end of every round. */
  tell(): void {
    for (const changed of this.#listeners) changed();
  }

  #ask(nowMs: number): void {
    const wanted = this.#wantedNow(nowMs);
    // Also what the agent has not answered yet: its answer may be on the way.
    for (const address of this.#wanted) if (!wanted.has(address)) this.#withdrawn.add(address);
    this.#wanted = wanted;
  }

  #wantedNow(nowMs: number): ReadonlySet<string> {
    const { node, canPlan, planner } = this.#options;
    const report = this.#report;
    if (report === undefined || report.restoring) return NONE;
    const giveBack = planner().giveBack();
    if (node.facts === undefined || !canPlan() || giveBack === undefined) return NONE;
    const kept = new Set(report.kept);
    // One that speaks of no addresses is asked for what it gave up by itself.
    const idle = report.used === undefined ? addressesOfAll([...report.idle, ...report.letGo]) : undefined;
    const isLeft = (cidr: string) =>
      addressesOfBlock(cidr).some((one) => kept.has(one) || this.#withdrawn.has(one) || idle?.has(one) === false);
    const question = { ...planner().question(node.facts, nowMs, this.waitingCount), giveBack };
    const { steps } = plan(planInput(node, { ...question, isHeld: isLeft }));
    const blocks = [...steps.flatMap((step) => blocksToGive(node, step)), ...this.#unusable(isLeft)];
    return new Set(blocks.filter((cidr) => !cidr.includes(":")).flatMap(addressesOfBlock));
  }

  /** Free blocks of which no pod is to get an address any more: the settings do not allow them, and the agent does not know. */
  #unusable(isLeft: (cidr: string) => boolean): readonly string[] {
    const { pool } = this.#options.node;
    return [...pool.blocks()].flatMap(({ block, usable, total, free, releasing }) => {
      const isUsable = usable && pool.interface(block.interfaceId)?.usable !== false;
      return isUsable || (free < total && releasing === 0) || isLeft(block.cidr) ? [] : [block.cidr];
    });
  }

  /** The blocks that the agent has let go of as a whole. */
  #agree(): void {
    const { node } = this.#options;
    const report = this.#report;
    if (report === undefined || node.agent === undefined) return;
    const letGo = new Set<string>();
    if (!report.restoring && this.#letGo.size > 0) {
      for (const { block, releasing } of node.pool.blocks())
        if (this.#isAnswered(block.cidr, releasing > 0)) letGo.add(block.cidr);
    }
    const before = node.agent.letGo;
    if (letGo.size === before.size && [...letGo].every((cidr) => before.has(cidr))) return;
    node.agent = { ...node.agent, letGo };
  }

  /** What is on its way to EC2 already was answered before. */
  #isAnswered(cidr: string, isReleasing: boolean): boolean {
    if (cidr.includes(":")) return false;
    const isStillWanted = (one: string) => this.#wanted.has(one) && !this.#withdrawn.has(one);
    return addressesOfBlock(cidr).every((one) => this.#letGo.has(one) && (isReleasing || isStillWanted(one)));
  }

  /** Brings the leases in line with what the agent says is in use. */
  #lease(used: ReadonlyMap<string, string>, restoring: boolean): void {
    const { node, ledger, clock, history } = this.#options;
    const nowMs = clock.nowMs();
    const changes: Change[] = [];
    const gone = [...node.pool.leases()].filter(
      (lease) =>
        lease.attachment.network === AGENT_NETWORK && !isSaid(used, lease) && !(restoring && !used.has(lease.address)),
    );
    for (const { attachment } of gone) {
      const ended = node.pool.release(attachment, nowMs, 0);
      if (ended === undefined) continue;
      changes.push({ kind: "lease-end", lease: ended.lease, cooling: ended.cooling });
      history.add(
        nowMs,
        podName(ended.lease.pod),
        ended.lease.address,
        `the agent uses ${ended.lease.address} no more`,
      );
    }
    // The agent decides when it gives an address to another pod; here it is free at once.
    const cooled = node.pool.cool(nowMs);
    if (cooled.length > 0) changes.push({ kind: "cooling-end", addresses: cooled });
    const refused: string[] = [];
    for (const [address, owner] of used) {
      if (node.pool.leaseAt(address) !== undefined) continue;
      const lease: Lease = { address, attachment: attachmentOf(address), pod: podOf(owner), leasedAtMs: nowMs };
      if (!this.#enter(lease)) {
        refused.push(address);
        continue;
      }
      changes.push({ kind: "lease-put", lease: node.pool.leaseOf(lease.attachment) ?? lease });
      history.add(nowMs, podName(lease.pod), address, `the agent gave ${address} to ${podName(lease.pod)}`);
    }
    if (changes.length > 0) void ledger.eventually(changes);
    this.#tellRefused(refused, nowMs);
  }

  #enter(lease: Lease): boolean {
    try {
      this.#options.node.pool.restoreLease(lease);
      return true;
    } catch (thrown) {
      if (!(thrown instanceof PoolError)) throw thrown;
      return false;
    }
  }

  /** Addresses that pods have and that are not the node's, or are on their way back to EC2. */
  #tellRefused(addresses: readonly string[], nowMs: number): void {
    const { degradations, telemetry } = this.#options;
    const said = addresses.toSorted().join(", ");
    if (said === "") degradations.clear("agent-address-unknown");
    else {
      const error = new EnidError("ENID_AGENT_ADDRESS_UNKNOWN", { addresses: said });
      degradations.set("agent-address-unknown", error, nowMs);
      if (said !== this.#unknown) {
        const fields = { addresses };
        telemetry.event({ name: "agent-address-unknown", level: "error", message: error.message, fields });
      }
    }
    this.#unknown = said;
  }
}

/** The settings of the section `kubernetes` in a few words. */
function handOffOf({ settings: { values } }: NodeState): string {
  if (values["hand-off"] === "cni") return "cni";
  const more = [values["kubernetes-node-name"], values.kubeconfig, values["lease-namespace"], values["startup-taint"]];
  const said = [...more, values["full-taint"], values["watch-pods"] ? "watches pods" : ""].filter((one) => one !== "");
  return `cilium-node (${[values["cilium-dialect"], ...said].join(", ")})`;
}

const NONE: ReadonlySet<string> = new Set();
const NOTHING_SAID = { dialect: undefined, usedCount: 0, waiting: 0, letGo: NONE, reported: false } as const;

/** Of addresses and IPv4 CIDRs. */
function addressesOfAll(named: readonly string[]): ReadonlySet<string> {
  const ipv4 = named.filter((one) => !one.includes(":"));
  return new Set(ipv4.flatMap((one) => (one.includes("/") ? addressesOfBlock(one) : [one])));
}

function isSaid(used: ReadonlyMap<string, string>, { address, pod }: Lease): boolean {
  const owner = used.get(address);
  return owner !== undefined && podName(podOf(owner)) === podName(pod);
}

function attachmentOf(address: string): Attachment {
  return { network: AGENT_NETWORK, containerId: address, interfaceName: "eth0" };
}

/** "namespace/name", or a word for what is no pod: the agent's own router or health endpoint. */
function podOf(owner: string): Pod {
  const slash = owner.indexOf("/");
  return slash < 0
    ? { namespace: "", name: owner, uid: "" }
    : { namespace: owner.slice(0, slash), name: owner.slice(slash + 1), uid: "" };
}
