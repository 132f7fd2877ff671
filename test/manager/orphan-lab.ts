import { createMemorySandboxes, type MemorySandboxes } from "../../src/handoff/cni/index.ts";
import type { EnidEvent, Manager } from "../../src/manager/index.ts";
import { attachment, type Lab, pod, range, startedLab } from "./harness.ts";

/** A node whose pods have sandboxes, for the tests of leases whose DEL never comes. */

export const MINUTE_MS = 60_000;
/** The default of orphan-grace-seconds. */
export const GRACE_MS = 300_000;

export const pathOf = (n: number) => `/run/netns/cni-${n}`;

export interface OrphanLab extends Lab {
  readonly running: Manager;
  readonly sandboxes: MemorySandboxes;
}

export async function orphanLab(ipam: object = {}): Promise<OrphanLab> {
  const sandboxes = createMemorySandboxes();
  return { ...(await startedLab({ ipam: { "cooling-seconds": 10, ...ipam } }, { sandboxes })), sandboxes };
}

/** The runtime makes the sandbox of pod n and asks for its address. */
export async function addPod(
  { running, sandboxes }: Pick<OrphanLab, "running" | "sandboxes">,
  n: number,
): Promise<string> {
  sandboxes.open(pathOf(n));
  const { address } = await running.add({ attachment: attachment(n), pod: pod(n), sandboxPath: pathOf(n) });
  return address;
}

export async function addPods(lab: OrphanLab, count: number): Promise<string[]> {
  const addresses: string[] = [];
  for (const n of range(count)) addresses.push(await addPod(lab, n));
  return addresses;
}

export function leased(manager: Manager): string[] {
  return manager.leases().map(({ attachment: { containerId } }) => containerId);
}

export function names(lab: Lab, name: string): readonly EnidEvent[] {
  return lab.events.filter((event) => event.name === name);
}
