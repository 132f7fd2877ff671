import { randomUUID } from "node:crypto";

/** The only source of randomness in enid. The seeded world replaces it by a seeded generator. */
export interface Random {
  /** A fraction in [0, 1), for jitter and fault draws. Not for secrets. */
  fraction(): number;
  /** An identifier that is unique across nodes and restarts: UUID text, 36 ASCII characters. */
  id(): string;
}

export const systemRandom: Random = {
  fraction: () => Math.random(),
  id: () => randomUUID(),
};

/** `meanMs` spread evenly over ±`share` of itself, so that nodes started together do not act together. */
export function jitterMs(random: Random, meanMs: number, share = 0.25): number {
  return meanMs * (1 - share + 2 * share * random.fraction());
}
