import { EnidError } from "../errors.ts";
import type { Step } from "../planning/index.ts";
import type { NodeState } from "./node.ts";
import { isGrowth } from "./step-sizes.ts";

/** The last gate before the cloud: promises 4, 6 and 7 hold even if planning were wrong. */
export function refuseForbidden(node: NodeState, step: Step): void {
  const refuse = (detail: string) => {
    throw new EnidError("ENID_REFUSED", { detail });
  };
  if (isGrowth(step)) {
    const allowed = node.resolution?.subnets.some((subnet) => subnet.id === step.subnetId) ?? false;
    if (!allowed) refuse(`${step.kind} in subnet ${step.subnetId}, which is not allowed`);
    const limits = node.facts?.limits;
    if (limits === undefined) refuse(`${step.kind} before the limits of the instance are known`);
    else if (step.count < 0 || step.count > limits.ipv4PerInterface - 1) refuse(`${step.kind} of ${step.count} blocks`);
  }
  if (!("interfaceId" in step)) return;
  const record = node.interfaces.get(step.interfaceId);
  if (record?.foreign) refuse(`${step.kind} on ${step.interfaceId}, which is managed by somebody else`);
  if (step.kind === "remove-interface") {
    if (step.interfaceId === node.facts?.primaryInterfaceId) refuse("remove-interface of the primary interface");
    if (record !== undefined && step.orphanOf !== undefined) refuse(`${step.interfaceId} is this node's own`);
    const used = record === undefined ? 0 : node.pool.inUseOn(step.interfaceId);
    if (used > 0) refuse(`remove-interface of ${step.interfaceId}, of which ${used} addresses are leased or cool down`);
  }
  if (step.kind === "release-blocks" && record?.primaryAddress !== undefined) {
    if (step.cidrs.includes(`${record.primaryAddress}/32`))
      refuse(`release of ${record.primaryAddress}, a primary address`);
  }
}
