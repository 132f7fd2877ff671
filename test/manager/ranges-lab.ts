import { readConfiguration } from "../../src/configuration/index.ts";
import type { EnidError } from "../../src/errors.ts";
import {
  type ConfigurationOffer,
  type EnidEvent,
  Manager,
  type ManagerOptions,
  type NodeAddress,
} from "../../src/manager/index.ts";
import { createNodeCidrProvider, type Machine } from "../../src/providers/node-cidr/index.ts";
import { seededRandom, VirtualClock } from "../support/virtual-clock.ts";
import { attachment, LabStore, pod } from "./harness.ts";

export const RANGE = "10.12.5.0/28";
/** Of a /28: all but network, broadcast and gateway. */
export const IN_RANGE = 13;

/** A machine of a test. */
export class LabMachine implements Machine {
  id: string | undefined = "0123456789abcdef0123456789abcdef";
  own: NodeAddress[] = [{ address: "192.0.2.10", device: "eth0" }];

  async identity(): Promise<string | undefined> {
    return this.id;
  }

  hostname(): string {
    return "rack-7";
  }

  async addresses(): Promise<{ addresses: readonly NodeAddress[] }> {
    return { addresses: this.own };
  }
}

export function rangesText(ipam: object): string {
  return JSON.stringify({
    cniVersion: "1.0.0",
    name: "cilium",
    type: "cilium-cni",
    ipam: { type: "enid-ipam", "pre-allocate": 2, "cooling-seconds": 30, "add-wait-seconds": 20, ...ipam },
  });
}

export function rangesFile(ipam: object): ConfigurationOffer {
  const text = new TextEncoder().encode(rangesText(ipam));
  return { kind: "valid", configuration: readConfiguration(text, "/etc/cni/net.d/05-enid.conf") };
}

export interface RangesLab {
  readonly clock: VirtualClock;
  readonly store: LabStore;
  readonly machine: LabMachine;
  readonly events: EnidEvent[];
  /** A manager over the same machine and disk: a restart, or with another boot id a reboot. */
  manager(bootId?: string, more?: Partial<ManagerOptions>): Manager;
}

export function rangesLab(seed = 1): RangesLab {
  const clock = new VirtualClock();
  const store = new LabStore(clock);
  const machine = new LabMachine();
  const events: EnidEvent[] = [];
  const telemetry = { event: (event: EnidEvent) => events.push(event), cloudCall: () => {}, served: () => {} };
  let started = seed * 1_000;
  return {
    clock,
    store,
    machine,
    events,
    manager: (bootId = "boot-1", more = {}) =>
      new Manager({
        provider: createNodeCidrProvider({ clock, telemetry, machine }),
        store,
        clock,
        random: seededRandom(++started),
        bootId,
        telemetry,
        ...more,
      }),
  };
}

/** From now on no blocks are written before the answer is called; the rest of the disk is well. */
export function holdBlocks({ store }: RangesLab): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  const commit = store.commit.bind(store);
  store.commit = async (changes) => {
    if (changes.some(({ kind }) => kind === "blocks-put")) await promise;
    return commit(changes);
  };
  return () => {
    store.commit = commit;
    resolve();
  };
}

/** A running manager that is ready. */
export async function startedRanges(ipam: object = {}): Promise<RangesLab & { running: Manager }> {
  const lab = rangesLab();
  const running = lab.manager();
  await running.start(rangesFile({ podCIDRs: [RANGE], ...ipam }));
  await lab.clock.advance(100);
  return { ...lab, running };
}

/** ADD of pod n as far as it comes within a second. */
export async function addNow(lab: RangesLab, running: Manager, n: number, more: object = {}) {
  const answer = running.add({ attachment: attachment(n), pod: pod(n), ...more }).then(
    (answer) => answer,
    (error: EnidError) => error,
  );
  await lab.clock.advance(1_000);
  return Promise.race([answer, Promise.resolve(undefined)]);
}

/** The same; its addresses, or the code of the error, or "waits". */
export async function addressOf(lab: RangesLab, running: Manager, n: number): Promise<string> {
  const answer = await addNow(lab, running, n);
  if (answer === undefined) return "waits";
  if (answer instanceof Error) return answer.code;
  return answer.ipv6Address === undefined ? answer.address : `${answer.address} ${answer.ipv6Address}`;
}
