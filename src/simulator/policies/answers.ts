/** EC2's answers as a peer reads them. */
import type { Result } from "../index.ts";

export interface ShownInterface {
  readonly id: string;
  readonly description: string;
  readonly subnetId: string;
  readonly vpcId: string;
  readonly zone: string;
  readonly mac: string;
  readonly primaryAddress: string;
  readonly secondaryAddresses: readonly string[];
  readonly securityGroups: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  /** "" when attached to nothing. */
  readonly instanceId: string;
  readonly attachmentId: string;
  readonly deviceIndex: number;
}

export interface ShownSubnet {
  readonly id: string;
  readonly vpcId: string;
  readonly zone: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly freeAddresses: number;
}

export function listOf(result: Result, element: string): readonly Result[] {
  const value = result[element];
  return Array.isArray(value) ? (value as readonly Result[]) : [];
}

export function textOf(result: Result, element: string): string {
  const value = result[element];
  return value === undefined ? "" : String(value);
}

export function interfaceOf(shown: Result): ShownInterface {
  const attachment = (shown.attachment ?? {}) as Result;
  const primaryAddress = textOf(shown, "privateIpAddress");
  return {
    id: textOf(shown, "networkInterfaceId"),
    description: textOf(shown, "description"),
    subnetId: textOf(shown, "subnetId"),
    vpcId: textOf(shown, "vpcId"),
    zone: textOf(shown, "availabilityZone"),
    mac: textOf(shown, "macAddress"),
    primaryAddress,
    secondaryAddresses: listOf(shown, "privateIpAddressesSet")
      .map((one) => textOf(one, "privateIpAddress"))
      .filter((address) => address !== primaryAddress),
    securityGroups: listOf(shown, "groupSet").map((one) => textOf(one, "groupId")),
    tags: tagsOf(shown),
    instanceId: textOf(attachment, "instanceId"),
    attachmentId: textOf(attachment, "attachmentId"),
    deviceIndex: Number(attachment.deviceIndex ?? -1),
  };
}

/** The instance that the shown interface is attached to; "" = none. Without reading the rest. */
export function holderOf(shown: Result): string {
  return textOf((shown.attachment ?? {}) as Result, "instanceId");
}

export function subnetsOf(answer: Result): readonly ShownSubnet[] {
  return listOf(answer, "subnetSet").map((one) => ({
    id: textOf(one, "subnetId"),
    vpcId: textOf(one, "vpcId"),
    zone: textOf(one, "availabilityZone"),
    tags: tagsOf(one),
    freeAddresses: Number(one.availableIpAddressCount ?? 0),
  }));
}

/** The addresses that AssignPrivateIpAddresses added. */
export function assignedOf(answer: Result): readonly string[] {
  return listOf(answer, "assignedPrivateIpAddressesSet").map((one) => textOf(one, "privateIpAddress"));
}

/** The interface that CreateNetworkInterface made. */
export function createdOf(answer: Result): ShownInterface {
  return interfaceOf((answer.networkInterface ?? {}) as Result);
}

/** True when the tags have every wanted one. */
export function hasTags(tags: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => tags[key] === value);
}

function tagsOf(shown: Result): Readonly<Record<string, string>> {
  return Object.fromEntries(listOf(shown, "tagSet").map((one) => [textOf(one, "key"), textOf(one, "value")]));
}
