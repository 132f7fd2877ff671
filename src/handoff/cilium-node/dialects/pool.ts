import type { Fields } from "../merge-patch.ts";
import type { AgentOffer, Dialect } from "../port.ts";
import { type CiliumNode, KEPT, MARKED, READY, RELEASED } from "../resource.ts";
import { isOfAnother } from "./interfaces.ts";

/**
 * `spec.ipam.pool`: every address that is offered, with its interface. One that a pod has stays, and so does the owner of an
 * entry that somebody pinned.
 */
export function poolFor(offer: AgentOffer, node: CiliumNode): Fields {
  const pool: Record<string, Fields> = {};
  const before = poolOf(node);
  for (const { id, addresses } of offer.interfaces) {
    for (const address of addresses) pool[address] = entryFor(before[address], id);
  }
  if (isOfAnother(offer, node)) return pool;
  for (const [address, entry] of Object.entries(before)) {
    if (pool[address] === undefined && node.used.has(address)) pool[address] = entry;
  }
  return pool;
}

/** The pool of a resource that is made. */
export function wholePool({ interfaces }: AgentOffer): Fields {
  return Object.fromEntries(interfaces.flatMap(({ id, addresses }) => addresses.map((one) => [one, { resource: id }])));
}

/** `spec.ipam.pool` as it is. */
export function poolOf({ object }: CiliumNode): Readonly<Record<string, Fields>> {
  const spec = object.spec as { readonly ipam?: { readonly pool?: Readonly<Record<string, Fields>> } } | undefined;
  return spec?.ipam?.pool ?? {};
}

function entryFor(before: Fields | undefined, resource: string): Fields {
  return typeof before?.owner === "string" ? { owner: before.owner, resource } : { resource };
}

/**
 * `status.ipam.release-ips`. enid asks (`marked-for-release`), the agent answers, and once the address has left what is offered
 * it is `released`; the agent takes such an entry away. What is no longer wanted back is taken away in any other state.
 */
export function releasesFor(offer: AgentOffer, node: CiliumNode): Fields {
  const wanted = new Set(offer.wantedBack);
  const leaving = new Set(offer.leaving);
  const offered = new Set(offer.interfaces.flatMap(({ addresses }) => addresses));
  const releases: Record<string, string> = {};
  for (const [address, state] of node.releaseIps) {
    const isGone = !offered.has(address);
    // Answered before it left, or it left with its interface and the agent never used it.
    if (isGone && (state === READY || state === RELEASED) && !node.used.has(address)) releases[address] = RELEASED;
    else if (!isGone && state !== RELEASED && (wanted.has(address) || leaving.has(address))) releases[address] = state;
  }
  for (const address of wanted) if (offered.has(address)) releases[address] ??= MARKED;
  return releases;
}

/** What the agent answered: addresses that it gives to no pod any more, and those that it keeps. */
export function answersOf(node: CiliumNode): { readonly letGo: readonly string[]; readonly kept: readonly string[] } {
  const of = (wanted: string) =>
    [...node.releaseIps].flatMap(([address, state]) => (state === wanted ? [address] : []));
  return { letGo: of(READY).filter((address) => !node.used.has(address)), kept: of(KEPT) };
}

/** An agent of the older dialects starts once the pool has min-allocate, else pre-allocate, else two (pkg/ipam/crd.go). */
const LEAST_AT_START = 2;

/** How many addresses an agent that has none in use still waits for before it starts. */
export function lackingToStart(offer: AgentOffer, node: CiliumNode, dialect: Dialect): number {
  if (dialect === "eni-1.20" || node.used.size > 0) return 0;
  const wanted = node.minAllocate || node.preAllocate || LEAST_AT_START;
  const offered = offer.interfaces.reduce((sum, { addresses }) => sum + addresses.length, 0);
  return Math.max(0, wanted - offered);
}
