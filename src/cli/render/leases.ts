import type { Lease } from "../../pool/index.ts";
import type { RecordedEvent } from "../../telemetry/index.ts";
import { duration, moment, table } from "./text.ts";

/** Every lease, oldest first; a column for the second address where pods have two. */
export function renderLeases(leases: readonly Lease[], nowMs: number): string[] {
  if (leases.length === 0) return ["no leases"];
  const dual = leases.some(({ ipv6Address }) => ipv6Address !== undefined);
  const rows = [...leases]
    .sort((one, other) => one.leasedAtMs - other.leasedAtMs)
    .map(({ address, ipv6Address, attachment, pod, leasedAtMs }) => [
      address,
      ...(dual ? [ipv6Address ?? ""] : []),
      `${pod.namespace}/${pod.name}`,
      attachment.containerId.slice(0, 13),
      attachment.interfaceName,
      attachment.network,
      duration(nowMs - leasedAtMs),
    ]);
  const header = ["ADDRESS", ...(dual ? ["IPV6"] : []), "POD", "CONTAINER", "INTERFACE", "NETWORK", "FOR"];
  return table([header, ...rows]);
}

/** The latest events, oldest first. */
export function renderEvents(events: readonly RecordedEvent[]): string[] {
  if (events.length === 0) return ["no events yet"];
  return table(
    events.map(({ atMs, level, name, message }) => [moment(atMs), level, name, message.replace(/\s*\n\s*/g, "; ")]),
  );
}
