import type { Intent, InterfaceRecord } from "../manager/ports/index.ts";
import type { Block, Lease } from "../pool/index.ts";
import { jsonText, wallMs } from "./rules.ts";

// Copies take the fields of the record only: callers may pass richer objects (an ObservedInterface is an InterfaceRecord).

export function copyLease({ address, attachment, pod, leasedAtMs }: Lease): Lease {
  const { network, containerId, interfaceName } = attachment;
  const { namespace, name, uid } = pod;
  return {
    address,
    attachment: { network, containerId, interfaceName },
    pod: { namespace, name, uid },
    leasedAtMs: wallMs(leasedAtMs, `the time of the lease of ${address}`),
  };
}

export function copyBlock({ cidr, interfaceId, kind }: Block): Block {
  return { cidr, interfaceId, kind };
}

export function copyInterface(record: InterfaceRecord): InterfaceRecord {
  const { id, mac, deviceIndex, networkCard, subnetId, subnetCidr, primaryAddress } = record;
  const { securityGroups, attachmentId, madeBy, foreign } = record;
  return {
    id,
    mac,
    deviceIndex,
    networkCard,
    subnetId,
    subnetCidr,
    primaryAddress,
    securityGroups: [...securityGroups],
    attachmentId,
    madeBy,
    foreign,
  };
}

export function copyIntent(intent: Intent): Intent {
  const { id, step, openedAtMs, before, securityGroups, deleteOnTermination, interfaceId, attachmentId } = intent;
  return {
    id,
    step: JSON.parse(jsonText(step, `the step of intent ${id}`)),
    openedAtMs: wallMs(openedAtMs, `the time of intent ${id}`),
    before: [...before],
    securityGroups: [...securityGroups],
    deleteOnTermination,
    ...(interfaceId === undefined ? {} : { interfaceId }),
    ...(attachmentId === undefined ? {} : { attachmentId }),
  };
}

export function copyJson<Value>(value: Value): Value {
  return value === undefined ? value : JSON.parse(JSON.stringify(value));
}
