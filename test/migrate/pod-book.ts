import { expect } from "vitest";
import type { LabPod } from "../../scripts/lab/plugin.ts";
import type { LoggedCall, SimulatedCloud } from "../../src/simulator/index.ts";

interface Stay {
  readonly pod: string;
  readonly instanceId: string;
  readonly address: string;
  readonly interfaceId: string;
  readonly attachmentId: string;
  /** Number of the last call of EC2 before the pod got its address. */
  readonly since: number;
  until: number;
}

const NOW = Number.POSITIVE_INFINITY;

/** Which pod has which address, whoever gave it, from when to when. */
export class PodBook {
  readonly #cloud: SimulatedCloud;
  readonly #stays: Stay[] = [];

  constructor(cloud: SimulatedCloud) {
    this.#cloud = cloud;
  }

  /** The pod has the address from now on. Fails when another one has it, or it is not on the pod's node. */
  enter(instanceId: string, pod: LabPod, address: string): string {
    expect(this.#running().filter((stay) => stay.address === address)).toEqual([]);
    const interfaceId = this.#cloud.ownerOf(address) ?? "";
    const carrier = this.#cloud.interfacesOf(instanceId).find(({ id }) => id === interfaceId);
    expect(carrier, `${address} of ${pod.name} is on ${interfaceId}, not on ${instanceId}`).toBeDefined();
    const attachmentId = carrier?.attachment?.id ?? "";
    const since = this.#lastCall();
    this.#stays.push({ pod: pod.name, instanceId, address, interfaceId, attachmentId, since, until: NOW });
    return address;
  }

  /** The pod's end begins: from now on its address may be anybody's, later. */
  strike(pod: LabPod): void {
    const stay = this.#running().find((one) => one.pod === pod.name);
    if (stay === undefined) throw new Error(`${pod.name} does not run`);
    stay.until = this.#lastCall();
  }

  addresses(): Map<string, string> {
    return new Map(this.#running().map(({ address, pod }) => [address, pod]));
  }

  /** Whether each address is where its pod is now, and whether it was so at each call in between. */
  verify(): void {
    for (const { pod, address, interfaceId } of this.#running()) {
      expect(this.#cloud.ownerOf(address), `${address} of ${pod}`).toBe(interfaceId);
    }
    const calls = this.#cloud.log.calls().filter(({ hadEffect }) => hadEffect);
    expect(calls.flatMap((call) => this.#stays.filter((stay) => takes(call, stay)))).toEqual([]);
  }

  #running(): Stay[] {
    return this.#stays.filter(({ until }) => until === NOW);
  }

  #lastCall(): number {
    return this.#cloud.log.calls().at(-1)?.sequence ?? 0;
  }
}

/** Whether the call takes the pod's address from it. */
function takes({ sequence, action, parameters }: LoggedCall, stay: Stay): boolean {
  if (sequence <= stay.since || sequence > stay.until) return false;
  switch (action) {
    case "UnassignPrivateIpAddresses":
      return [parameters.PrivateIpAddress].flat().includes(stay.address);
    case "DetachNetworkInterface":
      return parameters.AttachmentId === stay.attachmentId;
    case "DeleteNetworkInterface":
      return parameters.NetworkInterfaceId === stay.interfaceId;
    default:
      return false;
  }
}
