import type { Explanation } from "../../manager/index.ts";
import type { Output } from "../output.ts";
import { ago, duration, moment, table } from "./text.ts";

/** `enid explain` for a person: the answer first, then why, then the facts and what happened lately. */
export function renderExplanation(explanation: Explanation, nowMs: number, style: Output["style"]): string[] {
  const { answer, because, leases, address, history } = explanation;
  return [
    style("bold", answer),
    ...because.map((line) => `  ${line}`),
    ...leases.flatMap((lease) => [
      "",
      ...table([
        ["lease", lease.ipv6Address === undefined ? lease.address : `${lease.address} and ${lease.ipv6Address}`],
        ["  pod", `${lease.pod.namespace}/${lease.pod.name}${lease.pod.uid === "" ? "" : ` (${lease.pod.uid})`}`],
        [
          "  attachment",
          `${lease.attachment.interfaceName} of container ${lease.attachment.containerId} in network ${lease.attachment.network}`,
        ],
        ["  interface", placeText(lease)],
        ["  since", `${moment(lease.leasedAtMs)}, ${ago(lease.leasedAtMs, nowMs)}`],
      ]),
    ]),
    ...addressLines(address, nowMs),
    ...(history.length === 0 ? [] : ["", "lately"]),
    ...table(history.map(({ atMs, what }) => [`  ${moment(atMs)}`, what])),
  ];
}

/** The interface that carries a node's own ranges is in no subnet. */
function placeText({ interfaceId, subnetId }: { readonly interfaceId: string; readonly subnetId: string }): string {
  return subnetId === "" ? interfaceId : `${interfaceId} in ${subnetId}`;
}

function addressLines(address: Explanation["address"], nowMs: number): string[] {
  if (address === undefined) return [];
  const cooling = address.coolingUntilMs > nowMs ? `, free again in ${duration(address.coolingUntilMs - nowMs)}` : "";
  return [
    "",
    ...table([
      ["address", address.address],
      ["  state", `${address.state}${cooling}`],
      ["  block", `${address.block} on ${placeText(address)}`],
    ]),
  ];
}
