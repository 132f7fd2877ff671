import type { Cancel, Clock } from "../../../adapters/index.ts";
import { type AgentHandOff, createCiliumNodeHandOff } from "../../../handoff/cilium-node/index.ts";
import type { Dialect } from "../../../handoff/cilium-node/port.ts";
import type { DeletionQueue } from "../../../handoff/cni/index.ts";
import { type AgentSnapshot, AgentSocket, CiliumAgent } from "../../cilium-agent/index.ts";
import type { Dice } from "../../engine/index.ts";
import type { DaemonLink } from "../../kubelet/index.ts";
import type { NodeSections } from "../../scenario/index.ts";
import type { AgentsPlan } from "../draw/agents.ts";
import type { AgentProcess } from "../life.ts";
import type { WorldKubernetes } from "./world-kubernetes.ts";

export interface MachineAgentOptions {
  readonly machineName: string;
  readonly plan: AgentsPlan;
  readonly kubernetes: WorldKubernetes;
  readonly sections: NodeSections;
  readonly podLimit: number;
  /** Of the machine. */
  readonly clock: Clock;
  readonly dice: Dice;
  /** Where the runtime's DELs wait for the agent. */
  readonly queue: DeletionQueue;
  readonly log: (text: string) => void;
}

/** How the agent tells of what enid must not do. */
const COMPLAINT = /^(?:breach:|refuses the CiliumNode:)/;
/** From the start of a machine to that of its agent. */
const START_MS = { least: 1_000, most: 20_000 };

/** Cilium's agent of a machine, instance after instance, and enid's hand-off to it. */
export class MachineAgent {
  readonly #options: MachineAgentOptions;
  readonly #listeners = new Set<() => void>();
  #socket: AgentSocket | undefined;
  #agent: CiliumAgent | undefined;
  #dialect: Dialect;
  #starts = 0;
  readonly #complaints: string[] = [];
  /** Raised by whatever makes a pending start out of date. */
  #era = 0;

  constructor(options: MachineAgentOptions) {
    this.#options = options;
    this.#dialect = options.plan.dialect;
  }

  /** What the kubelet asks. */
  link(): DaemonLink {
    const socket = () => this.#socket;
    const listeners = this.#listeners;
    return {
      get up() {
        return socket()?.up === true;
      },
      call(call, signal) {
        return socket()?.call(call, signal) ?? Promise.reject(new Error("connection refused"));
      },
      onCut(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    };
  }

  snapshot(): AgentSnapshot | undefined {
    return this.#agent?.snapshot();
  }

  /** What the agent holds against enid, a sentence each; what somebody did who deleted the CiliumNode is not enid's doing. */
  get complaints(): readonly string[] {
    return this.#complaints;
  }

  /** Another instance has the machine's name. */
  launch(instanceId: string): void {
    this.#socket?.reboot();
    const { machineName, plan, kubernetes, sections, podLimit, clock, dice, queue, log } = this.#options;
    const nodeUid = kubernetes.join(machineName);
    this.#starts += 1;
    const own = dice.fork(`instance-${this.#starts}`);
    const agent = new CiliumAgent({
      nodeName: machineName,
      nodeUid,
      api: kubernetes.api(machineName, clock, own.fork("api")),
      clock,
      random: own.fork("agent"),
      dialect: this.#dialect,
      configuration: {
        instanceId,
        eni: { "instance-type": "drawn", ...sections.eni },
        // It starts only once it has as many: more than the instance can hold would never come.
        minAllocate: Math.min(podLimit, numberOf(sections.ipam["min-allocate"])),
        preAllocate: Math.min(podLimit, numberOf(sections.ipam["pre-allocate"])),
        maxAllocate: 0,
      },
      restoreMs: plan.restoreMs,
      restartReport: plan.restartReport,
      answersWhileRestoring: plan.answersWhileRestoring,
      log: (text) => {
        log(text);
        if (COMPLAINT.test(text) && !kubernetes.wasDeleted(machineName)) this.#complaints.push(text);
      },
    });
    const socket = new AgentSocket({ agent, queue, clock, log });
    socket.onCut(() => {
      for (const listener of [...this.#listeners]) listener();
    });
    this.#agent = agent;
    this.#socket = socket;
    this.#startLater(() => socket.start(), this.#drawn("launch", START_MS));
  }

  /** The machine has lost its power: no endpoint is left. */
  powerOff(): void {
    this.#era += 1;
    this.#socket?.reboot();
  }

  /** It is up again after so long. */
  boot(afterMs: number): void {
    this.powerOff();
    const socket = this.#socket;
    if (socket !== undefined) this.#startLater(() => socket.start(), afterMs + this.#drawn("boot", START_MS));
  }

  crash(downMs: number): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#era += 1;
    socket.crash();
    this.#startLater(() => socket.start(), downMs);
  }

  /** One of the other release takes its place, 1.19 or 1.20; where the settings name a dialect, one that speaks it. */
  exchange(downMs: number): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    if (this.#options.plan.isFoundOut) this.#dialect = this.#dialect === "eni-classic" ? "eni-1.20" : "eni-classic";
    this.#era += 1;
    socket.crash();
    this.#options.log(`the agent of ${this.#dialect} takes its place`);
    this.#startLater(() => socket.upgrade(this.#dialect), downMs);
  }

  /** enid's part, of one process. */
  readonly handOffs = (process: AgentProcess): AgentHandOff => {
    const { machineName, plan, kubernetes, clock } = this.#options;
    const { telemetry, dice, holder } = process;
    return createCiliumNodeHandOff({
      api: kubernetes.api(machineName, clock, dice.fork("api")),
      clock: process.clock,
      random: dice.fork("hand-off"),
      telemetry,
      nodeName: machineName,
      dialect: plan.isFoundOut ? "auto" : plan.dialect,
      watchPods: plan.watchesPods,
      startupTaint: "",
      fullTaint: "",
      leaseNamespace: "enid",
      holder,
    });
  };

  #startLater(start: () => Promise<boolean>, afterMs: number): Cancel {
    this.#era += 1;
    const era = this.#era;
    return this.#options.clock.after(afterMs, () => {
      if (era === this.#era) void start();
    });
  }

  #drawn(purpose: string, { least, most }: { readonly least: number; readonly most: number }): number {
    this.#starts += 1;
    return this.#options.dice.fork(`${purpose}-${this.#starts}`).between(least, most);
  }
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
