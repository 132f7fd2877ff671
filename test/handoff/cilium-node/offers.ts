import { CILIUM_NODES, type KubernetesObject } from "../../../src/handoff/cilium-node/api.ts";
import type { AgentOffer, OfferedInterface } from "../../../src/handoff/cilium-node/port.ts";

export function offeredInterface(number: number, addresses: readonly string[], more: Partial<OfferedInterface> = {}) {
  return {
    id: `eni-${number}`,
    mac: `02:00:00:00:00:0${number}`,
    primaryAddress: `10.0.${number}.4`,
    deviceIndex: number,
    subnetId: "subnet-1",
    subnetCidr: "10.0.0.0/16",
    securityGroups: ["sg-1"],
    addresses,
    prefixes: [],
    ipv6Prefixes: [],
    ...more,
  };
}

export function offerOf(interfaces: readonly OfferedInterface[], more: Partial<AgentOffer> = {}): AgentOffer {
  return {
    instanceId: "i-1",
    instanceType: "m5.large",
    availabilityZone: "eu-central-1a",
    vpcId: "vpc-1",
    vpcCidrs: ["10.0.0.0/8", "100.64.0.0/16"],
    interfaces,
    wantedBack: [],
    leaving: [],
    error: "",
    ready: true,
    free: interfaces.reduce((sum, { addresses }) => sum + addresses.length, 0),
    watermarks: { minAllocate: 0, preAllocate: 2, maxAllocate: 0 },
    ...more,
  };
}

export function nodeObject(spec: object = {}, status: object = {}, version = "1"): KubernetesObject {
  return {
    apiVersion: `${CILIUM_NODES.group}/${CILIUM_NODES.version}`,
    kind: CILIUM_NODES.kind,
    metadata: { name: "n", uid: "uid-1", resourceVersion: version },
    spec: { "instance-id": "i-1", eni: { "instance-type": "m5.large" }, ipam: {}, ...spec },
    status,
  };
}
