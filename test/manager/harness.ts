import type { Clock } from "../../src/adapters/index.ts";
import { readConfiguration } from "../../src/configuration/index.ts";
import { EnidError } from "../../src/errors.ts";
import { type Change, type EnidEvent, Manager, type ManagerOptions, type Store } from "../../src/manager/index.ts";
import type { Attachment, Pod } from "../../src/pool/index.ts";
import { createMemoryStore } from "../../src/state/index.ts";
import { FakeProvider } from "../support/fake-provider.ts";
import { seededRandom, VirtualClock } from "../support/virtual-clock.ts";

export const FILE = "/etc/cni/net.d/05-enid.conf";

export interface ConfigurationParts {
  readonly eni?: object;
  readonly ipam?: object;
  readonly fleet?: object;
  readonly kubernetes?: object;
}

export function configurationText(parts: ConfigurationParts = {}): string {
  return JSON.stringify({
    cniVersion: "1.0.0",
    name: "cilium",
    type: "cilium-cni",
    eni: { "subnet-tags": { pods: "true" }, ...parts.eni },
    ipam: { type: "enid-ipam", "pre-allocate": 8, ...parts.ipam },
    ...(parts.fleet === undefined ? {} : { fleet: parts.fleet }),
    ...(parts.kubernetes === undefined ? {} : { kubernetes: parts.kubernetes }),
  });
}

export function configuration(parts: ConfigurationParts = {}) {
  return readConfiguration(new TextEncoder().encode(configurationText(parts)), FILE);
}

/** The memory store with a disk that can be full, and that outlives the manager as a file would. */
export class LabStore implements Store {
  readonly inner: Store;
  full = false;
  /** As SQLite near its size limit: no new lease, but what lets pods go is still written. */
  leasesRefused = false;
  readonly log: Change[] = [];

  constructor(clock: Pick<Clock, "nextTurn">) {
    this.inner = createMemoryStore({ clock });
  }

  load() {
    return this.inner.load();
  }

  async commit(changes: readonly Change[]): Promise<void> {
    const refused = this.full || (this.leasesRefused && changes.some(({ kind }) => kind === "lease-put"));
    if (refused) throw new EnidError("ENID_STATE_WRITE_FAILED", { detail: "the disk is full" });
    await this.inner.commit(changes);
    this.log.push(...changes);
  }

  facts() {
    return this.inner.facts();
  }

  /** The file stays when the daemon ends. */
  async close(): Promise<void> {}
}

export interface Lab {
  readonly clock: VirtualClock;
  readonly provider: FakeProvider;
  readonly store: LabStore;
  readonly events: EnidEvent[];
  /** A manager over the same cloud and store: a restart. */
  manager(bootId?: string, more?: Partial<ManagerOptions>): Manager;
}

export function createLab(): Lab {
  const clock = new VirtualClock();
  const provider = new FakeProvider(clock);
  const store = new LabStore(clock);
  const events: EnidEvent[] = [];
  let seed = 0;
  return {
    clock,
    provider,
    store,
    events,
    manager: (bootId = "boot-1", more = {}) =>
      new Manager({
        provider,
        store,
        clock,
        random: seededRandom(++seed),
        bootId,
        telemetry: { event: (event) => events.push(event), cloudCall: () => {}, served: () => {} },
        ...more,
      }),
  };
}

/** A running manager that has its first buffer. */
export async function startedLab(
  parts: { eni?: object; ipam?: object } = {},
  more: Partial<ManagerOptions> = {},
): Promise<Lab & { running: Manager }> {
  const lab = createLab();
  const running = lab.manager("boot-1", more);
  await running.start({ kind: "valid", configuration: configuration(parts) });
  await lab.clock.advance(3_000);
  return { ...lab, running };
}

export function attachment(n: number): Attachment {
  return { network: "cilium", containerId: `container-${n}`, interfaceName: "eth0" };
}

export function pod(n: number): Pod {
  return { namespace: "shop", name: `web-${n}`, uid: `uid-${n}` };
}

/** ADD of pod n; answers the address, or the error that it ended with. */
export function add(manager: Manager, n: number): Promise<string | EnidError> {
  return manager.add({ attachment: attachment(n), pod: pod(n) }).then(
    ({ address }) => address,
    (error: EnidError) => error,
  );
}

export function range(count: number, first = 0): number[] {
  return Array.from({ length: count }, (_, n) => first + n);
}
