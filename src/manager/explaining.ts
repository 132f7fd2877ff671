import { originText } from "../configuration/index.ts";
import { EnidError } from "../errors.ts";
import type { Block, Lease } from "../pool/index.ts";
import { fixedReasons } from "./fixed-reports.ts";
import { type History, namesPod, podName } from "./history.ts";
import type { NodeState } from "./node.ts";
import { rangeReasons, withheldBecause } from "./range-reports.ts";
import type { Explanation, WaitingReport } from "./reports.ts";

export interface ExplainInput {
  /** NAMESPACE/POD, POD or an address. */
  readonly subject: string;
  readonly node: NodeState;
  readonly history: History;
  readonly waiting: readonly WaitingReport[];
  /** Why a pod that asks now would get nothing. */
  readonly whyNone: () => EnidError;
  /** Why the lease seems to be nobody's any more, if so. */
  readonly leftBehind: (lease: Lease) => string | undefined;
  readonly nowMs: number;
}

/** @throws EnidError ENID_NOTHING_KNOWN. */
export function explain(input: ExplainInput): Explanation {
  const { subject, node } = input;
  const state = node.pool.stateOf(subject);
  const history = input.history.about(subject);
  const leases = [...node.pool.leases()].filter(
    (lease) => lease.address === subject || lease.ipv6Address === subject || namesPod(subject, podName(lease.pod)),
  );
  const waiting = input.waiting.filter(({ pod }) => namesPod(subject, podName(pod)));
  const base = { subject, history, leases: leases.map((lease) => located(node, lease)) };
  if (state !== undefined) return { ...base, ...explainAddress(input, state, leases[0]) };
  const withheld = withheldBecause(node, subject);
  if (withheld !== undefined) {
    return { ...base, address: undefined, answer: `${subject} is for no pod`, because: [withheld] };
  }
  if (waiting.length > 0) return { ...base, address: undefined, ...explainWaiting(input, waiting) };
  const [lease] = leases;
  if (lease !== undefined) {
    return {
      ...base,
      address: undefined,
      answer: `${podName(lease.pod)} has ${[lease.address, lease.ipv6Address].filter(Boolean).join(" and ")}`,
      because: leaseReasons(input, lease),
    };
  }
  const fixed = fixedReasons(node, subject);
  if (fixed.length > 0) return { ...base, address: undefined, answer: goneSaid(subject), because: fixed };
  const last = history.at(-1);
  if (last === undefined) throw new EnidError("ENID_NOTHING_KNOWN", { subject });
  return { ...base, address: undefined, answer: goneSaid(subject), because: [`last: ${last.what}`] };
}

function goneSaid(subject: string): string {
  const isAddress = /^[0-9.]+$/.test(subject) || subject.includes(":");
  return isAddress ? `${subject} is no address of this node now` : `${subject} has no address here now`;
}

function explainAddress(
  input: ExplainInput,
  state: NonNullable<ReturnType<NodeState["pool"]["stateOf"]>>,
  lease: Lease | undefined,
) {
  const { subject, node, nowMs } = input;
  const block = node.pool.blockOf(subject);
  const record = block === undefined ? undefined : node.interfaces.get(block.interfaceId);
  const cooling = [...node.pool.coolings()].find(({ address }) => address === subject);
  const unusable = record === undefined ? "its interface is unknown" : node.unusableBecause(record);
  const because: string[] = [];
  if (lease !== undefined) because.push(...leaseReasons(input, lease));
  else because.push(...fixedReasons(node, subject));
  if (state === "free" && because.length === 0) {
    because.push(unusable === "" ? freeBecause(node, block) : `no pod is given it: ${unusable}`);
  }
  if (state === "releasing") because.push("it is being given back to EC2, so no pod gets it");
  const lostSinceMs = block === undefined ? undefined : node.lostSinceMs.get(block.cidr);
  if (lostSinceMs !== undefined) {
    because.push(
      `it is lost: EC2 says since ${new Date(lostSinceMs).toISOString()} that the node no longer has it; its lease stays, and nobody else gets it`,
    );
  }
  if (cooling !== undefined) {
    because.push(
      `it was released and waits ${Math.max(0, Math.ceil((cooling.untilMs - nowMs) / 1_000))} s more, so that peers forget its last pod`,
    );
  }
  if (block?.kind === "node-cidr") {
    if (lease === undefined) because.push(...rangeReasons(node, subject));
  } else if (block !== undefined)
    because.push(`it is part of ${block.cidr} on ${block.interfaceId} in ${record?.subnetId ?? "an unknown subnet"}`);
  return {
    answer: lease === undefined ? `${subject} is ${state}` : `${subject} is leased to ${podName(lease.pod)}`,
    because,
    address: {
      address: subject,
      state,
      block: block?.cidr ?? "",
      interfaceId: block?.interfaceId ?? "",
      subnetId: record?.subnetId ?? "",
      coolingUntilMs: cooling?.untilMs ?? 0,
    },
  };
}

function freeBecause(node: NodeState, block: Block | undefined): string {
  if (block?.kind === "node-cidr") return freeOfRangeBecause(node, block);
  const next = "the address that is free longest is leased next";
  if (block?.kind !== "prefix") return `it is free; pods are put on the fullest interface first, and ${next}`;
  return `it is free; pods are put into the fullest prefix first, into nearly empty ones last, so that these can be given back whole, and ${next}`;
}

function freeOfRangeBecause({ pool }: NodeState, { cidr }: Block): string {
  if (pool.block(cidr)?.usable !== true) return "no pod is given it: its range is no longer named";
  return "it is free; pods fill one range after the other, and the address that is free longest is leased next";
}

function explainWaiting(input: ExplainInput, waiting: readonly WaitingReport[]) {
  const [first] = waiting;
  const error = input.whyNone();
  const because =
    first?.waitingFor === undefined
      ? [error.message, error.remedy]
      : [`its address for life waits for ${first.waitingFor}`];
  const seconds = first === undefined ? 0 : Math.round((input.nowMs - first.sinceMs) / 1_000);
  const left = first === undefined ? 0 : Math.max(0, Math.round((first.deadlineMs - input.nowMs) / 1_000));
  return {
    answer: `${input.subject} waits for an address since ${seconds} s`,
    because: [...because, `the ADD fails with this reason in ${left} s and the runtime tries again`],
  };
}

function leaseReasons({ node, leftBehind }: ExplainInput, lease: Lease): string[] {
  const orphaned = leftBehind(lease);
  const reasons = [...placeReasons(node, lease), ...fixedReasons(node, lease.address)];
  return orphaned === undefined ? reasons : [...reasons, orphaned];
}

function placeReasons(node: NodeState, lease: Lease): string[] {
  const block = node.pool.blockOf(lease.address);
  const made = `leased to container ${lease.attachment.containerId} (${lease.attachment.interfaceName}) at ${new Date(lease.leasedAtMs).toISOString()}`;
  const addresses = lease.ipv6Address === undefined ? [lease.address] : [lease.address, lease.ipv6Address];
  if (block?.kind === "node-cidr") return [made, ...addresses.flatMap((address) => rangeReasons(node, address))];
  const { interfaceId, subnetId } = located(node, lease);
  const record = node.interfaces.get(interfaceId);
  const counts = node.pool.interfaceCounts().find(({ id }) => id === interfaceId);
  const allowed = node.resolution?.subnets.some(({ id }) => id === subnetId);
  const { values, origins } = node.settings;
  const said =
    values["subnet-ids"].length > 0
      ? "subnet-ids"
      : Object.keys(values["subnet-tags"]).length > 0
        ? "subnet-tags"
        : undefined;
  return [
    made,
    `on ${interfaceId}, device ${record?.deviceIndex ?? "unknown"}, which has ${counts?.leased ?? 0} pods and ${counts?.free ?? 0} free addresses`,
    said === undefined
      ? `subnet ${subnetId} is the one of the primary interface; the settings name no other`
      : `subnet ${subnetId} ${allowed === false ? "is no longer allowed" : "is allowed"} by ${said} ${JSON.stringify(values[said])} (${originText(origins[said])})`,
  ];
}

function located(node: NodeState, lease: Lease) {
  const interfaceId = node.pool.blockOf(lease.address)?.interfaceId ?? "";
  return { ...lease, interfaceId, subnetId: node.interfaces.get(interfaceId)?.subnetId ?? "" };
}
