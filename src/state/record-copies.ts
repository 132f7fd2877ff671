import type { FixedRecord, FleetProfile, Intent, InterfaceRecord } from "../manager/ports/index.ts";
import type { Block, Lease, Sandbox } from "../pool/index.ts";
import { jsonText, wallMs, wholeNumber } from "./rules.ts";

// Copies take the fields of the record only: callers may pass richer objects (an ObservedInterface is an InterfaceRecord).

export function copyLease({ address, ipv6Address, attachment, pod, leasedAtMs, sandbox }: Lease): Lease {
  const { network, containerId, interfaceName } = attachment;
  const { namespace, name, uid } = pod;
  return {
    address,
    ...(ipv6Address === undefined ? {} : { ipv6Address }),
    attachment: { network, containerId, interfaceName },
    pod: { namespace, name, uid },
    leasedAtMs: wallMs(leasedAtMs, `the time of the lease of ${address}`),
    ...(sandbox === undefined ? {} : { sandbox: copySandbox(sandbox) }),
  };
}

function copySandbox({ path, identity, folder }: Sandbox): Sandbox {
  return { path, identity, folder };
}

export function copyBlock({ cidr, interfaceId, kind, found = false, lost = false }: Block): Block {
  return { cidr, interfaceId, kind, ...(found ? { found } : {}), ...(lost ? { lost } : {}) };
}

export function copyInterface(record: InterfaceRecord): InterfaceRecord {
  const { id, mac, deviceIndex, networkCard, subnetId, subnetCidr, primaryAddress } = record;
  const { securityGroups, attachmentId, madeBy, foreign, foreignBecause } = record;
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
    ...(foreignBecause === undefined ? {} : { foreignBecause }),
  };
}

export function copyIntent(intent: Intent): Intent {
  const { id, step, openedAtMs, before, securityGroups, deleteOnTermination } = intent;
  const { tags, interfaceId, attachmentId } = intent;
  return {
    id,
    step: JSON.parse(jsonText(step, `the step of intent ${id}`)),
    openedAtMs: wallMs(openedAtMs, `the time of intent ${id}`),
    before: [...before],
    securityGroups: [...securityGroups],
    deleteOnTermination,
    ...(tags === undefined ? {} : { tags: { ...tags } }),
    ...(interfaceId === undefined ? {} : { interfaceId }),
    ...(attachmentId === undefined ? {} : { attachmentId }),
  };
}

export function copyFixed(record: FixedRecord): FixedRecord {
  const { pod, address, subnetId, zone, epoch, holder, holderName, state, keepMs, expiresAtMs } = record;
  return {
    pod,
    address,
    subnetId,
    zone,
    epoch: wholeNumber(epoch, `the epoch of ${pod}`),
    holder,
    holderName,
    state,
    keepMs: wallMs(keepMs, `the time for which ${address} is kept`),
    ...(expiresAtMs === undefined
      ? {}
      : { expiresAtMs: wallMs(expiresAtMs, `the time until which ${address} is kept`) }),
  };
}

export function copyProfile({ name, match, values, setAtMs }: FleetProfile): FleetProfile {
  return {
    name,
    match: JSON.parse(jsonText(match, `what profile ${name} matches`)),
    values: JSON.parse(jsonText(values, `profile ${name}`)),
    setAtMs: wallMs(setAtMs, `the time of profile ${name}`),
  };
}

export function copyJson<Value>(value: Value): Value {
  return value === undefined ? value : JSON.parse(JSON.stringify(value));
}
