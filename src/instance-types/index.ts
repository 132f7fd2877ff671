import table from "./instance-types.json" with { type: "json" };

/**
 * Network limits of EC2 instance types as DescribeInstanceTypes gave them in August 2026. The fallback when EC2 cannot
 * be asked, and what the simulated cloud answers with.
 */
export interface InstanceType {
  readonly instanceType: string;
  /** Interfaces on the default network card. */
  readonly maxInterfaces: number;
  readonly ipv4PerInterface: number;
  readonly defaultNetworkCard: number;
  /** Interfaces by network card index. */
  readonly interfacesByCard: readonly { readonly card: number; readonly interfaces: number }[];
  readonly hypervisor: "nitro" | "xen" | "";
  readonly bareMetal: boolean;
}

type Row = [number, number, number, string, string, boolean];

export function instanceType(name: string): InstanceType | undefined {
  if (!Object.hasOwn(table, name)) return undefined;
  const row = (table as unknown as Record<string, Row>)[name];
  if (row === undefined) return undefined;
  const [maxInterfaces, ipv4PerInterface, defaultNetworkCard, byCard, hypervisor, bareMetal] = row;
  return {
    instanceType: name,
    maxInterfaces,
    ipv4PerInterface,
    defaultNetworkCard,
    interfacesByCard: byCard
      .split(/[; |]/)
      .filter((part) => part.includes(":"))
      .map((part) => {
        const [card, interfaces] = part.split(":");
        return { card: Number(card), interfaces: Number(interfaces) };
      }),
    hypervisor: hypervisor === "nitro" || hypervisor === "xen" ? hypervisor : "",
    bareMetal,
  };
}

export function instanceTypeNames(): readonly string[] {
  return Object.keys(table);
}
