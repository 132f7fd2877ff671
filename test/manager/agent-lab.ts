import type { EnidError } from "../../src/errors.ts";
import type {
  AgentHandOff,
  AgentHandOffReport,
  AgentReport,
  AgentService,
} from "../../src/handoff/cilium-node/port.ts";
import type { Manager, ManagerOptions, Reach, ReachPicture } from "../../src/manager/index.ts";
import { configuration, createLab, type Lab } from "./harness.ts";

/** The hand-off as a test plays it: it says what the agent says. */
export class FakeHandOff implements AgentHandOff {
  service: AgentService | undefined;
  stopped = false;
  wrong: EnidError | undefined;
  told = 0;

  start(service: AgentService): void {
    this.service = service;
    service.watchOffer(() => void this.told++);
  }

  async stop(): Promise<void> {
    this.stopped = true;
  }

  report(): AgentHandOffReport {
    return {
      nodeName: "node-1",
      dialect: "eni-classic",
      waitingFor: "",
      readAtMs: 0,
      writtenAtMs: 0,
      writes: 0,
      conflicts: 0,
      handshake: { asked: 0, letGo: 0, kept: 0 },
      waitingPods: 0,
      restoring: false,
    };
  }

  trouble(): EnidError | undefined {
    return this.wrong;
  }

  says(report: Partial<AgentReport> & { readonly pods?: Readonly<Record<string, string>> }): void {
    const { pods = {}, ...more } = report;
    this.service?.agentSays({
      dialect: "eni-classic",
      used: new Map(Object.entries(pods)),
      usedCount: 0,
      letGo: [],
      idle: [],
      kept: [],
      waiting: 0,
      restoring: false,
      ...more,
    });
  }

  /** All addresses that are offered. */
  addresses(): readonly string[] {
    return this.service?.offer()?.interfaces.flatMap(({ addresses }) => addresses) ?? [];
  }

  get wantedBack(): readonly string[] {
    return this.service?.offer()?.wantedBack ?? [];
  }
}

/** What the host's routes are to be made of. */
export class PictureReach implements Reach {
  readonly name = "host-routes";
  look: () => ReachPicture = () => {
    throw new Error("it was not started");
  };

  start(look: () => ReachPicture): void {
    this.look = look;
  }
  changed(): void {}
  async ready(): Promise<void> {}
  trouble(): undefined {}
  report() {
    const counts = { rules: 0, repaired: 0, repairedAtMs: 0, checkedAtMs: 0 };
    return { kind: "host-routes", devices: [], ...counts } as const;
  }
  async stop(): Promise<void> {}
}

export interface AgentLab extends Lab {
  readonly agent: FakeHandOff;
  readonly running: Manager;
  /** Another process over the same cloud and state. */
  restart(bootId?: string): Promise<{ readonly agent: FakeHandOff; readonly running: Manager }>;
}

/** A running manager whose addresses an agent takes, with its first buffer. */
export async function agentLab(
  ipam: object = {},
  eni: object = {},
  more: Partial<ManagerOptions> = {},
): Promise<AgentLab> {
  const lab = createLab();
  lab.provider.facts = { ...lab.provider.facts, vpcCidrs: ["10.0.0.0/16"] };
  const offer = { kind: "valid", configuration: configuration({ ipam, eni, kubernetes: KUBERNETES }) } as const;
  const start = async (bootId = "boot-1") => {
    const agent = new FakeHandOff();
    const running = lab.manager(bootId, { agent, ...more });
    await running.start(offer);
    return { agent, running };
  };
  const first = await start();
  await lab.clock.advance(3_000);
  return { ...lab, ...first, restart: start };
}

export const KUBERNETES = { "hand-off": "cilium-node" };

/** Pods p-0, p-1, … on these addresses. */
export function podsOn(addresses: readonly string[]): Record<string, string> {
  return Object.fromEntries(addresses.map((address, n) => [address, `shop/p-${n}`]));
}
