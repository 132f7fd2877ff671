import type { EnidError } from "../../errors.ts";
import type { Change, FixedRecord, FleetProfile, Intent, InterfaceRecord } from "../../manager/ports/index.ts";
import type { Block, Lease } from "../../pool/index.ts";
import { copyFixed, copyProfile } from "../record-copies.ts";
import {
  addressesOf,
  addressTaken,
  attachmentTaken,
  coolingUntilMs,
  interfaceUnknown,
  jsonText,
  unknownChange,
  wallMs,
} from "../rules.ts";
import { primaryCode, SQLITE_CONSTRAINT } from "./sqlite-error.ts";
import type { Statements } from "./statements.ts";

/**
 * Applies one change inside the transaction that the caller opened.
 *
 * @throws EnidError ENID_STATE_WRITE_FAILED when a rule refuses it; whatever SQLite throws otherwise
 */
export function applyChange(statements: Statements, change: Change): void {
  switch (change.kind) {
    case "lease-put":
      putLease(statements, change.lease);
      break;
    case "lease-end":
      endLease(statements, change);
      break;
    case "cooling-end":
      for (const address of change.addresses) statements.endCooling.run(address);
      break;
    case "interface-put":
      putInterface(statements, change.interface);
      break;
    case "interface-remove":
      statements.removeInterface.run(change.interfaceId);
      break;
    case "blocks-put":
      for (const block of change.blocks) putBlock(statements, block);
      break;
    case "blocks-remove":
      for (const cidr of change.cidrs) statements.removeBlock.run(cidr);
      break;
    case "intent-put":
      putIntent(statements, change.intent);
      break;
    case "intent-close":
      statements.closeIntent.run(change.id);
      break;
    case "override-put": {
      const { name, value, setAtMs } = change;
      const text = jsonText(value, `override ${name}`);
      statements.putOverride.run(name, text, wallMs(setAtMs, `the time of override ${name}`));
      break;
    }
    case "override-remove":
      statements.removeOverride.run(change.name);
      break;
    case "configuration-put": {
      const { file, text, readAtMs } = change.configuration;
      statements.putConfiguration.run(file, text, wallMs(readAtMs, `the time of ${file}`));
      break;
    }
    case "resolution-put":
      statements.putResolution.run(change.resolution.selection, JSON.stringify(change.resolution.subnetIds));
      break;
    case "fixed-put":
      putFixed(statements, change.record);
      break;
    case "fixed-remove":
      statements.removeFixed.run(change.pod);
      break;
    case "profiles-put":
      putProfiles(statements, change.profiles);
      break;
    case "boot-started":
      if (statements.identity.get()?.boot_id !== change.bootId) statements.endAllLeases.run();
      statements.setBoot.run(change.bootId);
      break;
    case "instance-adopted":
      adoptInstance(statements, change.instanceId);
      break;
    default:
      throw unknownChange(change);
  }
}

function putLease(statements: Statements, lease: Lease): void {
  const { address, attachment, pod, sandbox } = lease;
  const { network, containerId, interfaceName } = attachment;
  const leasedAtMs = wallMs(lease.leasedAtMs, `the time of the lease of ${address}`);
  const addresses = addressesOf(lease);
  try {
    const { changes } = statements.putLease.run(
      address,
      lease.ipv6Address ?? null,
      network,
      containerId,
      interfaceName,
      pod.namespace,
      pod.name,
      pod.uid,
      leasedAtMs,
      sandbox?.path ?? null,
      sandbox?.identity ?? null,
      sandbox?.folder ?? null,
    );
    if (changes === 0) throw leaseConflict(statements, lease);
  } catch (thrown) {
    throw primaryCode(thrown) === SQLITE_CONSTRAINT ? leaseConflict(statements, lease) : thrown;
  }
  for (const each of addresses) statements.endCooling.run(each);
}

/** Which promise a refused lease would have broken. */
function leaseConflict(statements: Statements, lease: Lease): EnidError {
  const { network, containerId, interfaceName } = lease.attachment;
  const taken = addressesOf(lease).find((address) => {
    const holder = statements.holderOf.get(address);
    if (holder === undefined) return false;
    return holder.network !== network || holder.container_id !== containerId || holder.interface_name !== interfaceName;
  });
  return taken === undefined ? attachmentTaken(lease) : addressTaken(taken);
}

function endLease(statements: Statements, change: Extract<Change, { kind: "lease-end" }>): void {
  const untilMs = coolingUntilMs(change);
  const addresses = addressesOf(change.lease);
  const { address, attachment } = change.lease;
  statements.endLease.run(address, attachment.network, attachment.containerId, attachment.interfaceName);
  for (const each of addresses) statements.cool.run(each, untilMs);
}

function putInterface(statements: Statements, record: InterfaceRecord): void {
  statements.putInterface.run(
    record.id,
    record.mac,
    record.deviceIndex,
    record.networkCard,
    record.subnetId,
    record.subnetCidr,
    record.primaryAddress,
    JSON.stringify(record.securityGroups),
    record.attachmentId,
    record.madeBy,
    record.foreign ? 1 : 0,
    record.foreignBecause ?? null,
  );
}

function putBlock(statements: Statements, block: Block): void {
  if (statements.hasInterface.get(block.interfaceId) === undefined) throw interfaceUnknown(block);
  const { cidr, interfaceId, kind, found = false, lost = false } = block;
  statements.putBlock.run(cidr, interfaceId, kind, found ? 1 : 0, lost ? 1 : 0);
}

function putIntent(statements: Statements, intent: Intent): void {
  statements.putIntent.run(
    intent.id,
    jsonText(intent.step, `the step of intent ${intent.id}`),
    wallMs(intent.openedAtMs, `the time of intent ${intent.id}`),
    JSON.stringify(intent.before),
    JSON.stringify(intent.securityGroups),
    intent.deleteOnTermination ? 1 : 0,
    intent.tags === undefined ? null : JSON.stringify(intent.tags),
    intent.interfaceId ?? null,
    intent.attachmentId ?? null,
  );
}

function putFixed(statements: Statements, record: FixedRecord): void {
  const { pod, address, subnetId, zone, epoch, holder, holderName, state, keepMs, expiresAtMs } = copyFixed(record);
  statements.putFixed.run(pod, address, subnetId, zone, epoch, holder, holderName, state, keepMs, expiresAtMs ?? null);
}

function putProfiles(statements: Statements, profiles: readonly FleetProfile[]): void {
  const rows = profiles.map(copyProfile);
  statements.removeProfiles.run();
  for (const [position, { name, match, values, setAtMs }] of rows.entries()) {
    statements.putProfile.run(position, name, JSON.stringify(match), JSON.stringify(values), setAtMs);
  }
}

function adoptInstance(statements: Statements, instanceId: string): void {
  const before = statements.identity.get()?.instance_id;
  // Nobody's data (the identity was never learnt) is this instance's own.
  if (before !== "" && before !== instanceId) {
    for (const drop of statements.dropInstance) drop.run();
  }
  statements.setInstance.run(instanceId);
}
