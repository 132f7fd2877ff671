import type { Change, FixedRecord, FleetProfile, Intent, InterfaceRecord } from "../../src/manager/ports/index.ts";
import type { Block, Lease, Sandbox } from "../../src/pool/index.ts";

/** Records for the tests of the stores. */

export const RESOLUTION = { selection: '{"subnetIds":[]}', subnetIds: ["subnet-1", "subnet-2"] };

export const SANDBOX: Sandbox = { path: "/run/netns/cni-1", identity: "4:4026532281", folder: "25:1042" };

export function lease(address: string, containerId: string): Lease {
  return {
    address,
    attachment: { network: "cilium", containerId, interfaceName: "eth0" },
    pod: { namespace: "default", name: `pod-${containerId}`, uid: "5f1c2a34-8a0e-4c57-9a4b-3c1f0e9d7b21" },
    leasedAtMs: 1_790_000_000_000,
  };
}

export function dualLease(address: string, ipv6Address: string, containerId: string): Lease {
  return { ...lease(address, containerId), ipv6Address };
}

export function end(address: string, containerId: string, untilMs: number): Change {
  return { kind: "lease-end", lease: lease(address, containerId), cooling: { address, untilMs } };
}

export function eni(id: string, differing: Partial<InterfaceRecord> = {}): InterfaceRecord {
  return {
    id,
    mac: "02:00:00:00:00:01",
    deviceIndex: 1,
    networkCard: 0,
    subnetId: "subnet-1",
    subnetCidr: "10.0.0.0/16",
    primaryAddress: "10.0.0.4",
    securityGroups: ["sg-1", "sg-2"],
    attachmentId: "eni-attach-1",
    madeBy: "enid",
    foreign: false,
    ...differing,
  };
}

export function block(cidr: string, interfaceId = "eni-1", kind: Block["kind"] = "address"): Block {
  return { cidr, interfaceId, kind };
}

export function intent(id: string): Intent {
  return {
    id,
    step: {
      kind: "create-interface",
      subnetId: "subnet-1",
      deviceIndex: 1,
      count: 8,
      reason: "8 addresses are needed",
    },
    openedAtMs: 5,
    before: ["10.0.0.5/32"],
    securityGroups: ["sg-1"],
    deleteOnTermination: true,
  };
}

export const FOREIGN = eni("eni-2", {
  deviceIndex: -1,
  madeBy: "other",
  foreign: true,
  foreignBecause: "of the VPC CNI",
});

export function fixedRecord(pod: string, address: string, differing: Partial<FixedRecord> = {}): FixedRecord {
  return {
    pod,
    address,
    subnetId: "subnet-1",
    zone: "eu-central-1a",
    epoch: 3,
    holder: "i-1",
    holderName: "node-1",
    state: "bound",
    keepMs: 86_400_000,
    ...differing,
  };
}

export const PROFILE: FleetProfile = {
  name: "big",
  match: { instanceTypes: ["m6i.*"], labels: { pool: "big" } },
  values: { "pre-allocate": 16, "release-excess": false },
  setAtMs: 1_790_000_000_000,
};

/** Something of every kind that belongs to a boot or an instance, and settings and profiles, which belong to neither. */
export function everything(): Change[] {
  return [
    { kind: "interface-put", interface: eni("eni-1") },
    { kind: "blocks-put", blocks: [block("10.0.0.5/32"), block("10.0.0.6/32")] },
    { kind: "lease-put", lease: lease("10.0.0.5", "a") },
    end("10.0.0.6", "b", 900),
    { kind: "intent-put", intent: intent("intent-1") },
    { kind: "override-put", name: "pre-allocate", value: 16, setAtMs: 1 },
    { kind: "configuration-put", configuration: { file: "f", text: "{}", readAtMs: 2 } },
    { kind: "resolution-put", resolution: RESOLUTION },
    { kind: "fixed-put", record: fixedRecord("shop/db-0", "10.0.0.5") },
    { kind: "profiles-put", profiles: [PROFILE] },
  ];
}
