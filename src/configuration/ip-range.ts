import ipaddr from "ipaddr.js";

export type IpFamily = "ipv4" | "ipv6";

export interface IpAddress {
  readonly family: IpFamily;
  readonly value: bigint;
}

/** A range of addresses as numbers. A single address is a range of one. */
export interface IpRange {
  readonly family: IpFamily;
  /** The first address: its host bits are zero. */
  readonly first: bigint;
  /** 0 to 32, or to 128. */
  readonly prefixLength: number;
}

const BITS = { ipv4: 32, ipv6: 128 } as const;

/** Undefined unless the text is an address: IPv4 dotted decimal without leading zeros, IPv6 in any spelling without a zone. */
export function parseAddress(text: string): IpAddress | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) {
    return { family: "ipv4", value: numberOf(ipaddr.IPv4.parse(text).toByteArray()) };
  }
  if (!/^[0-9A-Fa-f:]+$/.test(text) || !ipaddr.IPv6.isValid(text)) return undefined;
  return { family: "ipv6", value: numberOf(ipaddr.IPv6.parse(text).toByteArray()) };
}

/** The range that an address, or a text in CIDR notation, is in, and the address that the text has. */
export function parseRange(text: string): { readonly range: IpRange; readonly address: IpAddress } | undefined {
  const [addressText = "", lengthText, more] = text.split("/");
  const address = parseAddress(addressText);
  if (address === undefined || more !== undefined) return undefined;
  const bits = BITS[address.family];
  if (lengthText !== undefined && !/^(?:0|[1-9][0-9]{0,2})$/.test(lengthText)) return undefined;
  const prefixLength = lengthText === undefined ? bits : Number(lengthText);
  if (prefixLength > bits) return undefined;
  const hostBits = BigInt(bits - prefixLength);
  const range = { family: address.family, first: (address.value >> hostBits) << hostBits, prefixLength };
  return { range, address };
}

/** Canonical text: dotted decimal, or as RFC 5952 has it. */
export function formatAddress({ family, value }: IpAddress): string {
  if (family === "ipv4") {
    const number = Number(value);
    return `${number >>> 24}.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}`;
  }
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((value >> shift) & 0xffffn));
  return new ipaddr.IPv6(groups).toString();
}

/** Canonical text in CIDR notation. */
export function formatRange({ family, first, prefixLength }: IpRange): string {
  return `${formatAddress({ family, value: first })}/${prefixLength}`;
}

/** How many addresses. */
export function sizeOf({ family, prefixLength }: IpRange): bigint {
  return 1n << BigInt(BITS[family] - prefixLength);
}

/** Does the one range hold all of the other? */
export function contains(outer: IpRange, inner: IpRange): boolean {
  return (
    outer.family === inner.family &&
    outer.first <= inner.first &&
    inner.first + sizeOf(inner) <= outer.first + sizeOf(outer)
  );
}

/** Two ranges share an address exactly when one holds the other. */
export function overlap(a: IpRange, b: IpRange): boolean {
  return contains(a, b) || contains(b, a);
}

/** The range of that address alone. */
export function singleOf({ family, value }: IpAddress): IpRange {
  return { family, first: value, prefixLength: BITS[family] };
}

/** Is the range one address? */
export function isSingle({ family, prefixLength }: IpRange): boolean {
  return prefixLength === BITS[family];
}

function numberOf(bytes: readonly number[]): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
