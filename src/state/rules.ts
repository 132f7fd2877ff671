import type { EnidError } from "../errors.ts";
import type { Change } from "../manager/ports/index.ts";
import type { Attachment, Block, Lease } from "../pool/index.ts";
import { writeFailed } from "./write-failure.ts";

/** What both stores hold to in the same words: what may be kept, and why a change is refused. */

/** A wall time as it is kept: whole milliseconds since the epoch. */
export function wallMs(value: number, what: string): number {
  // Adding 0 makes the -0 that rounding may give a plain 0.
  const rounded = Math.round(value) + 0;
  if (!Number.isSafeInteger(rounded)) {
    throw writeFailed(`${what} is ${value}, not a time in milliseconds`, { reason: "invalid" });
  }
  return rounded;
}

/** A count as it is kept: whole, and small enough to be exact. */
export function wholeNumber(value: number, what: string): number {
  if (!Number.isSafeInteger(value)) throw writeFailed(`${what} is ${value}, not a whole number`, { reason: "invalid" });
  return value + 0;
}

export function jsonText(value: unknown, what: string): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw writeFailed(`${what} cannot be written as JSON`, { reason: "invalid" }, cause);
  }
  if (text === undefined) throw writeFailed(`${what} cannot be written as JSON`, { reason: "invalid" });
  return text;
}

/** The cooling time of a "lease-end", after checking that it is of the lease's own address. */
export function coolingUntilMs(change: Extract<Change, { kind: "lease-end" }>): number {
  if (change.cooling.address !== change.lease.address) {
    throw writeFailed(`the lease of ${change.lease.address} cannot end with ${change.cooling.address} cooling`, {
      reason: "invalid",
    });
  }
  return wallMs(change.cooling.untilMs, `the cooling time of ${change.cooling.address}`);
}

/** The one address of a lease, or the two of a dual-stack one. */
export function addressesOf({ address, ipv6Address }: Lease): readonly string[] {
  if (ipv6Address === undefined) return [address];
  if (ipv6Address === address) {
    throw writeFailed(`a lease cannot have ${address} twice`, { reason: "invalid" });
  }
  return [address, ipv6Address];
}

export function addressTaken(address: string): EnidError {
  return writeFailed(`${address} is leased to another attachment`, { reason: "conflict" });
}

export function attachmentTaken(lease: Lease): EnidError {
  const attachment = attachmentText(lease.attachment);
  const other = lease.ipv6Address === undefined ? "another address" : "other addresses";
  return writeFailed(`${attachment} holds ${other} than ${addressesOf(lease).join(" and ")}`, { reason: "conflict" });
}

export function interfaceUnknown(block: Block): EnidError {
  return writeFailed(`block ${block.cidr} lies on interface ${block.interfaceId}, which the state does not know`, {
    reason: "conflict",
  });
}

/** A change that this version does not know must not be acknowledged as if it were kept. */
export function unknownChange(change: never): EnidError {
  return writeFailed(`the state knows no change ${JSON.stringify(change)}`, { reason: "invalid" });
}

function attachmentText({ network, containerId, interfaceName }: Attachment): string {
  return `container ${containerId}, interface ${interfaceName}, network ${network},`;
}
