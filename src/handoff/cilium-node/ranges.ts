/** An IPv4 CIDR as numbers; undefined for anything else. */
export function rangeOf(cidr: string): { readonly first: number; readonly last: number } | undefined {
  const [, address = "", length = ""] = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(cidr) ?? [];
  const base = numberOfAddress(address);
  if (base === undefined || Number(length) > 32) return undefined;
  return { first: base, last: base + 2 ** (32 - Number(length)) - 1 };
}

/** Undefined for what is no IPv4 address. */
export function numberOfAddress(address: string): number | undefined {
  const parts = address.split(".").map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

/** Whether one of the CIDRs has the address. */
export function covers(cidrs: readonly string[], address: string): boolean {
  const number = numberOfAddress(address);
  if (number === undefined) return false;
  return cidrs.some((cidr) => {
    const range = rangeOf(cidr);
    return range !== undefined && range.first <= number && number <= range.last;
  });
}
