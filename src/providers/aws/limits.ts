import type { InstanceTypeInfo } from "@aws-sdk/client-ec2";
import { EnidError } from "../../errors.ts";
import { instanceType as typeFromTable } from "../../instance-types/index.ts";
import type { InstanceLimits } from "../../manager/ports/index.ts";
import type { Ec2 } from "./ec2.ts";
import type { Surroundings } from "./options.ts";
import type { SharedLooks } from "./shared-looks.ts";

/**
 * What the instance type can hold: from EC2, else (with an event) from the table shipped with enid; unknown to both is
 * ENID_INSTANCE_TYPE_UNKNOWN. Of several network cards each has its own limit, the default one comes first: an attachment
 * that names no other goes there. The type's own maximum is the sum over all cards.
 */
export async function readLimits(
  world: Surroundings,
  ec2: Ec2,
  looks: SharedLooks,
  instanceType: string,
  signal?: AbortSignal,
): Promise<InstanceLimits> {
  let detail: string;
  let cause: unknown;
  try {
    const info = await looks.instanceType(ec2, instanceType, signal);
    const limits = info === undefined ? undefined : limitsFromEc2(info);
    if (limits !== undefined) return limits;
    detail = "EC2's answer does not give them";
  } catch (error) {
    detail = error instanceof Error ? error.message : String(error);
    cause = error;
  }
  const row = typeFromTable(instanceType);
  if (row === undefined) {
    throw new EnidError(
      "ENID_INSTANCE_TYPE_UNKNOWN",
      { instanceType, detail: `${detail}; the table shipped with enid does not list it` },
      { cause },
    );
  }
  world.telemetry.event({
    name: "limits-from-table",
    level: "warn",
    message: `the limits of ${instanceType} come from the table shipped with enid: ${detail}`,
    fields: { instanceType, maxInterfaces: row.maxInterfaces, ipv4PerInterface: row.ipv4PerInterface },
  });
  const { maxInterfaces, ipv4PerInterface, hypervisor, bareMetal } = row;
  const byCard = row.interfacesByCard.map((one) => ({ card: one.card, maxInterfaces: one.interfaces }));
  const cards = cardsPart(byCard, row.defaultNetworkCard);
  return { maxInterfaces, ipv4PerInterface, ...cards, source: "table", hypervisor, bareMetal };
}

type Card = NonNullable<InstanceLimits["cards"]>[number];

/** The cards that take interfaces, the default one first, then by index. Nothing for a type with one card. */
function cardsPart(cards: readonly Card[], defaultCard: number): Pick<InstanceLimits, "cards"> {
  const rank = ({ card }: Card) => (card === defaultCard ? -1 : card);
  const usable = cards.filter((one) => one.maxInterfaces > 0).sort((a, b) => rank(a) - rank(b));
  return usable.length > 1 ? { cards: usable } : {};
}

/** Undefined when the answer lacks the figures. */
export function limitsFromEc2(info: InstanceTypeInfo): InstanceLimits | undefined {
  const network = info.NetworkInfo;
  const ipv4PerInterface = network?.Ipv4AddressesPerInterface;
  const cards = network?.NetworkCards ?? [];
  const defaultCard = network?.DefaultNetworkCardIndex ?? 0;
  const card = cards.find((one) => (one.NetworkCardIndex ?? 0) === defaultCard);
  const maxInterfaces =
    card?.MaximumNetworkInterfaces ?? (cards.length > 1 ? undefined : network?.MaximumNetworkInterfaces);
  if (!maxInterfaces || !ipv4PerInterface) return undefined;
  const byCard = cards.map((one) => ({
    card: one.NetworkCardIndex ?? 0,
    maxInterfaces: one.MaximumNetworkInterfaces ?? 0,
  }));
  return {
    maxInterfaces,
    ipv4PerInterface,
    ...cardsPart(byCard, defaultCard),
    source: "ec2",
    // Absent on bare metal.
    hypervisor: info.Hypervisor === "nitro" || info.Hypervisor === "xen" ? info.Hypervisor : "",
    bareMetal: info.BareMetal ?? false,
  };
}
