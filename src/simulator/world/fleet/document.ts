import type { NodeDocument } from "../../../fleet/index.ts";

/** What a simulated node says of itself in the registry: no more than that it is there. */
export function documentOf(nodeName: string, startedAtMs: number): NodeDocument {
  return {
    ...{
      schema: 1,
      kind: "enid",
      nodeName,
      version: "",
      environment: "aws",
      handOff: "cni",
      instanceType: "",
      region: "",
    },
    ...{ zone: "", startedAtMs, ready: true, waitingFor: "", capacity: 0, interfaces: 0, subnets: [], waiting: 0 },
    ...{ longestWaitMs: 0, degraded: [], calls: {} },
  };
}
