/** An IPv4 range as numbers. */
export interface Range {
  readonly first: number;
  /** Addresses in it. */
  readonly size: number;
  readonly length: number;
}

/** Undefined for what is not an IPv4 CIDR without host bits. */
export function rangeOf(cidr: string): Range | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr);
  if (match === null) return undefined;
  const [first = 0, second = 0, third = 0, fourth = 0, length = 0] = match.slice(1).map(Number);
  if ([first, second, third, fourth].some((byte) => byte > 255) || length > 32) return undefined;
  const number = ((first * 256 + second) * 256 + third) * 256 + fourth;
  const size = 2 ** (32 - length);
  return number % size === 0 ? { first: number, size, length } : undefined;
}

export function cidrOf({ first, length }: Range): string {
  const bytes = [24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256);
  return `${bytes.join(".")}/${length}`;
}

/** So many ranges of equal size, each behind the one before; undefined when they leave the IPv4 addresses. */
export function rangesFrom(start: Range, count: number): readonly Range[] | undefined {
  if (start.first + start.size * count > 2 ** 32) return undefined;
  return Array.from({ length: count }, (_, at) => ({ ...start, first: start.first + at * start.size }));
}

export function overlaps(one: Range, other: Range): boolean {
  return one.first < other.first + other.size && other.first < one.first + one.size;
}

/** The range of that length that contains the other one. */
export function around({ first }: Range, length: number): Range {
  const size = 2 ** (32 - length);
  return { first: first - (first % size), size, length };
}
