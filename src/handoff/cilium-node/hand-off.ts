import type { Cancel, Clock, Random } from "../../adapters/index.ts";
import { coerceError, EnidError } from "../../errors.ts";
import type { Telemetry } from "../../manager/ports/index.ts";
import { CILIUM_NODES, type KubernetesApi, type KubernetesObject, PODS } from "./api.ts";
import { Detecting, type Spoken } from "./dialects/detecting.ts";
import { blocksOf, isOfAnother } from "./dialects/interfaces.ts";
import { firstSpec, type Patches, patchesFor } from "./dialects/patches.ts";
import { answersOf, lackingToStart } from "./dialects/pool.ts";
import { Reporting } from "./dialects/reporting.ts";
import { follow } from "./follow.ts";
import { NodeLease } from "./lease.ts";
import { ownedByNode } from "./owner.ts";
import { NodePods } from "./pods.ts";
import type { AgentHandOff, AgentHandOffReport, AgentOffer, AgentReport, AgentService, Dialect } from "./port.ts";
import { type CiliumNode, MARKED, readCiliumNode } from "./resource.ts";
import { NodeTaints } from "./taints.ts";

export interface CiliumNodeOptions {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** Of the Node, and of its CiliumNode. */
  readonly nodeName: string;
  readonly dialect: Dialect | "auto";
  readonly watchPods: boolean;
  /** Keys of taints; empty = off. */
  readonly startupTaint: string;
  readonly fullTaint: string;
  readonly leaseNamespace: string;
  /** "STATE/PROCESS", see NodeLease. */
  readonly holder: string;
}

export function createCiliumNodeHandOff(options: CiliumNodeOptions): AgentHandOff {
  return new CiliumNodeHandOff(options);
}

/** Changes that come together become one write; the first of them does not wait. */
const WRITE_PAUSE_MS = 1_000;
const RETRY_MS = { first: 1_000, longest: 60_000 };
/** The text of an error changes with its figures; it is told anew this often. */
const ERROR_AGAIN_MS = 5 * 60_000;
/** No answer for so long is trouble. */
const AWAY_MS = 30_000;
const STOP_LIMIT_MS = 2_000;

class CiliumNodeHandOff implements AgentHandOff {
  readonly #options: CiliumNodeOptions;
  readonly #abort = new AbortController();
  readonly #detecting: Detecting;
  readonly #reporting = new Reporting();
  readonly #lease: NodeLease;
  readonly #pods = new NodePods();
  readonly #taints: NodeTaints;
  #service: AgentService | undefined;
  #stopWatch = () => {};
  #running: Promise<unknown> = Promise.resolve();
  /** Undefined: there is none, or nothing was listed yet. */
  #node: CiliumNode | undefined;
  #isListed = false;
  /** The highest version of the resource that was seen, or of its end. */
  #version = 0;
  #spoken: Spoken = { dialect: undefined, isMoving: false };
  #report: AgentReport | undefined;
  #away: { readonly error: EnidError; readonly sinceMs: number } | undefined;
  #failure: EnidError | undefined;
  #failures = 0;
  #isWorking = false;
  #isAsked = false;
  #wroteMs = Number.NEGATIVE_INFINITY;
  #cancelTimer: Cancel = () => {};
  #error = { text: "", atMs: 0 };
  readonly #counts = { readAtMs: 0, writtenAtMs: 0, writes: 0, conflicts: 0 };

  constructor(options: CiliumNodeOptions) {
    this.#options = options;
    const { api, clock, nodeName, leaseNamespace: namespace, holder, startupTaint, fullTaint } = options;
    this.#detecting = new Detecting(options.dialect);
    this.#lease = new NodeLease({ api, clock, nodeName, namespace, holder });
    this.#taints = new NodeTaints({ api, clock, nodeName, startupTaint, fullTaint });
  }

  start(service: AgentService): void {
    const { api, clock, random, nodeName, watchPods } = this.#options;
    const { signal } = this.#abort;
    this.#service = service;
    this.#reporting.begin(service.inUse());
    this.#stopWatch = service.watchOffer(() => this.#ask(0));
    const shared = { api, clock, random, trouble: (error: EnidError | undefined) => this.#isAway(error) };
    const own = follow(
      {
        ...shared,
        kind: CILIUM_NODES,
        selection: { fieldSelector: `metadata.name=${nodeName}` },
        listed: ([object]) => this.#saw(object),
        changed: (object, isGone) => this.#saw(isGone ? undefined : object, versionOf(object)),
      },
      signal,
    );
    const pods = watchPods
      ? follow(
          {
            ...shared,
            kind: PODS,
            selection: { fieldSelector: `spec.nodeName=${nodeName}` },
            listed: (all) => this.#sawPods(() => this.#pods.listed(all)),
            changed: (pod, isGone) => this.#sawPods(() => this.#pods.changed(pod, isGone)),
          },
          signal,
        )
      : Promise.resolve();
    this.#running = Promise.all([own, pods]);
    this.#ask(0);
  }

  async stop(): Promise<void> {
    this.#stopWatch();
    this.#cancelTimer();
    this.#abort.abort(new EnidError("ENID_STOPPING"));
    const { clock } = this.#options;
    const limit = new AbortController();
    const cancel = clock.after(STOP_LIMIT_MS, () => limit.abort(new EnidError("ENID_STOPPING")));
    await this.#lease.release(limit.signal);
    await this.#running;
    cancel();
  }

  report(): AgentHandOffReport {
    const node = this.#node;
    const { letGo, kept } = node === undefined ? { letGo: [], kept: [] } : answersOf(node);
    const asked = [...(node?.releaseIps.values() ?? [])].filter((state) => state === MARKED).length;
    return {
      nodeName: this.#options.nodeName,
      dialect: this.#spoken.dialect ?? "",
      waitingFor: this.#waitingFor(),
      ...this.#counts,
      handshake: { asked: asked + letGo.length + kept.length, letGo: letGo.length, kept: kept.length },
      waitingPods: node === undefined ? 0 : this.#pods.waiting(node.used),
      restoring: this.#report?.restoring ?? false,
    };
  }

  trouble(): EnidError | undefined {
    const { mismatch } = this.#spoken;
    if (mismatch !== undefined) return mismatch;
    if (this.#failure !== undefined && this.#failures > 2) return this.#failure;
    const away = this.#away;
    if (away === undefined) return undefined;
    const isLong = this.#options.clock.monotonicMs() - away.sinceMs >= AWAY_MS;
    return isLong || away.error.code !== "ENID_KUBERNETES_AWAY" ? away.error : undefined;
  }

  #waitingFor(): string {
    const trouble = this.trouble() ?? this.#failure ?? this.#away?.error;
    if (trouble !== undefined) return trouble.message;
    if (!this.#isListed) return "the Kubernetes API has not told of the CiliumNode yet";
    if (this.#service?.offer() === undefined) return "the node's addresses are not known yet";
    return this.#spoken.dialect === undefined
      ? "what the agent writes does not tell its dialect: it has not started, or has ipam crd, which cilium-dialect must say"
      : "";
  }

  #isAway(error: EnidError | undefined): void {
    const { clock } = this.#options;
    if (error === undefined) this.#away = undefined;
    else this.#away = { error, sinceMs: this.#away?.sinceMs ?? clock.monotonicMs() };
  }

  /** `version`: of the object, or of its end; absent = not known. */
  #saw(object: KubernetesObject | undefined, version = object === undefined ? this.#version : versionOf(object)): void {
    this.#isListed = true;
    this.#counts.readAtMs = this.#options.clock.nowMs();
    const before = this.#node;
    // A watch that was resumed may tell what a write's answer has told already, and an answer come after the end that it was before.
    if (version < this.#version) return;
    this.#version = version;
    this.#node = object === undefined ? undefined : readCiliumNode(object);
    if (before !== undefined && this.#node?.uid !== before.uid) {
      // What the agent had in use it has not told the new one yet: that is no release.
      const what = object === undefined ? "deleted" : "made anew";
      const message = `the CiliumNode ${before.object.metadata.name} was ${what} by somebody`;
      this.#tell("cilium-node-replaced", "warn", message);
    }
    this.#listen();
    this.#ask(0);
  }

  #sawPods(change: () => void): void {
    change();
    this.#listen();
  }

  /** Tells the manager what the agent says. */
  #listen(): void {
    const [node, service] = [this.#node, this.#service];
    if (node === undefined || service === undefined) return;
    const before = this.#spoken.dialect;
    this.#spoken = this.#detecting.look(node, this.#options.clock.monotonicMs());
    const { dialect, isMoving, mismatch } = this.#spoken;
    if (dialect !== before && dialect !== undefined) {
      this.#tell("cilium-dialect", "info", `Cilium's agent speaks ${dialect}`);
    }
    const offer = service.offer();
    if (dialect === undefined || mismatch !== undefined || offer === undefined) return;
    if (isOfAnother(offer, node)) {
      this.#reporting.forget();
      return;
    }
    const report = this.#reporting.report(node, {
      dialect,
      isMoving,
      nowMs: this.#options.clock.nowMs(),
      preAllocate: offer.watermarks.preAllocate,
      waiting: this.#pods.waiting(node.used) + lackingToStart(offer, node, dialect),
      blocks: blocksOf(offer),
      isGone: (name) => this.#pods.isGone(name),
    });
    if (report.restoring && this.#report?.restoring !== true) {
      this.#tell(
        "cilium-agent-restoring",
        "info",
        "Cilium's agent has lost what it said was in use; it is given time to find it again",
      );
    }
    if (this.#report !== undefined && isSame(this.#report, report)) return;
    this.#report = report;
    service.agentSays(report);
  }

  /** Works after so long, and not so soon after a write that changes which come together become several. */
  #ask(afterMs: number): void {
    if (this.#abort.signal.aborted) return;
    if (this.#isWorking) {
      this.#isAsked = true;
      return;
    }
    this.#cancelTimer();
    const { clock } = this.#options;
    const pauseMs = this.#wroteMs + WRITE_PAUSE_MS - clock.monotonicMs();
    this.#cancelTimer = clock.after(Math.max(afterMs, pauseMs), () => void this.#work());
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    this.#isAsked = false;
    let wrote = false;
    let error: EnidError | undefined;
    try {
      this.#listen();
      wrote = await this.#step(this.#abort.signal);
    } catch (thrown) {
      error = coerceError(thrown);
    }
    this.#isWorking = false;
    if (wrote) this.#wroteMs = this.#options.clock.monotonicMs();
    if (this.#abort.signal.aborted) return;
    if (error === undefined) {
      this.#failure = undefined;
      this.#failures = 0;
      this.#ask(this.#isAsked || wrote ? 0 : this.#idleMs());
      return;
    }
    if (error.code === "ENID_KUBERNETES_CONFLICT") {
      this.#counts.conflicts += 1;
      await this.#readAnew();
    } else if (error.code === "ENID_KUBERNETES_NOT_FOUND") this.#node = undefined;
    if (error.code === "ENID_CILIUM_NODE_OTHER_ENID" && this.#failure?.code !== error.code) {
      this.#tell("cilium-node-other-enid", "error", error.message);
    }
    this.#failure = error;
    this.#failures += 1;
    this.#ask(Math.min(RETRY_MS.longest, RETRY_MS.first * 2 ** Math.min(this.#failures - 1, 10)));
  }

  /** What is due. Answers whether something was written. */
  async #step(signal: AbortSignal): Promise<boolean> {
    const offer = this.#service?.offer();
    if (!this.#isListed || offer === undefined) return false;
    await this.#lease.keep(signal);
    if (this.#node === undefined) {
      await this.#create(offer, signal);
      return true;
    }
    if (this.#spoken.mismatch !== undefined) return false;
    const wrote = await this.#write(offer, this.#node, signal);
    await this.#taints.apply(offer, signal);
    return wrote;
  }

  async #write(offer: AgentOffer, node: CiliumNode, signal: AbortSignal): Promise<boolean> {
    const patches = this.#patches(offer, node);
    if (patches.status !== undefined) {
      await this.#patch(node, { status: patches.status }, "status", signal);
    }
    const now = this.#node;
    // What it wants of the spec it wants of what is there now.
    if (now === undefined || now.uid !== node.uid) return true;
    const { spec } = patches.status === undefined ? patches : this.#patches(offer, now);
    if (spec !== undefined) await this.#patch(now, { spec }, undefined, signal);
    return patches.status !== undefined || spec !== undefined;
  }

  #patches(offer: AgentOffer, node: CiliumNode): Patches {
    const keepsPool = this.#options.dialect === "auto";
    return patchesFor(offer, node, this.#spoken, {
      keepsPool,
      error: this.#errorTold(offer.error, node.error),
    });
  }

  /** An error that goes or comes is told at once; another text of one that stays not each time that its figures change. */
  #errorTold(error: string, told: string): string {
    const nowMs = this.#options.clock.monotonicMs();
    if (error === told || error === "" || told === "") return error;
    if (nowMs - this.#error.atMs < ERROR_AGAIN_MS && this.#error.text === told) return told;
    return error;
  }

  async #patch(
    node: CiliumNode,
    patch: Readonly<Record<string, unknown>>,
    subresource: "status" | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { api, nodeName, clock } = this.#options;
    // The lease may have run out while something else was written.
    if (!this.#lease.isHeld) throw new EnidError("ENID_KUBERNETES_CONFLICT", { what: `the lease of ${nodeName}` });
    const whole = { ...patch, metadata: { resourceVersion: node.resourceVersion } };
    const options = subresource === undefined ? {} : { subresource };
    const written = await api.patch(CILIUM_NODES, { name: nodeName }, whole, options, signal);
    this.#counts.writes += 1;
    this.#counts.writtenAtMs = clock.nowMs();
    this.#version = Math.max(this.#version, versionOf(written));
    this.#node = readCiliumNode(written);
    this.#error = { text: this.#node.error, atMs: clock.monotonicMs() };
    this.#listen();
  }

  async #readAnew(): Promise<void> {
    const { api, nodeName } = this.#options;
    try {
      const object = await api.get(CILIUM_NODES, { name: nodeName }, this.#abort.signal);
      this.#saw(object);
    } catch {
      // The watch tells, or the next try.
    }
  }

  async #create(offer: AgentOffer, signal: AbortSignal): Promise<void> {
    const { api, nodeName, clock } = this.#options;
    const owner = await ownedByNode(api, nodeName, signal);
    const object: KubernetesObject = {
      apiVersion: `${CILIUM_NODES.group}/${CILIUM_NODES.version}`,
      kind: CILIUM_NODES.kind,
      metadata: { name: nodeName, ...owner },
      spec: firstSpec(offer, this.#spoken.dialect),
    };
    try {
      const made = await api.create(CILIUM_NODES, object, signal);
      this.#counts.writes += 1;
      this.#counts.writtenAtMs = clock.nowMs();
      this.#tell("cilium-node-created", "info", `the CiliumNode ${nodeName} was missing and is made`);
      this.#saw(made);
    } catch (thrown) {
      // The agent was faster.
      if (coerceError(thrown).code !== "ENID_KUBERNETES_EXISTS") throw thrown;
      await this.#readAnew();
    }
  }

  /** Until the lease is to be renewed, or a report becomes another one. */
  #idleMs(): number {
    const { clock } = this.#options;
    const renewMs = this.#lease.renewAtMs - clock.monotonicMs();
    const movedMs = this.#detecting.dueMs - clock.monotonicMs();
    return Math.max(1_000, Math.min(renewMs, movedMs, this.#reporting.dueMs - clock.nowMs(), RETRY_MS.longest));
  }

  #tell(name: string, level: "info" | "warn" | "error", message: string): void {
    this.#options.telemetry.event({ name, level, message, fields: { node: this.#options.nodeName } });
  }
}

/** Versions are numbers that rise, as every API server has them (KEP-5504 makes that a promise). */
function versionOf(object: KubernetesObject): number {
  return Number(object.metadata.resourceVersion ?? 0);
}

function isSame(one: AgentReport, other: AgentReport): boolean {
  const textOf = ({ used, ...rest }: AgentReport) => JSON.stringify([used === undefined ? null : [...used], rest]);
  return textOf(one) === textOf(other);
}
