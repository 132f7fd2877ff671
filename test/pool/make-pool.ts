import { type Attachment, type Block, type Lease, Pool, PoolError, type PoolRefusal } from "../../src/pool/index.ts";

export const NOW_MS = 1_700_000_000_000;
export const POD = { namespace: "default", name: "web", uid: "" };

/** Interfaces in the order of their names with these blocks, /28 as prefixes. */
export function makePool(blocks: Record<string, string[]>, kind?: Block["kind"]): Pool {
  const pool = new Pool();
  Object.entries(blocks).forEach(([id, cidrs], index) => {
    pool.upsertInterface({ id, index, usable: true });
    for (const cidr of cidrs) {
      pool.addBlock({ cidr, interfaceId: id, kind: kind ?? (cidr.endsWith("/32") ? "address" : "prefix") });
    }
  });
  return pool;
}

export function attachment(containerId: string): Attachment {
  return { network: "cilium", containerId, interfaceName: "eth0" };
}

export function makeLease(address: string, containerId: string): Lease {
  return { address, attachment: attachment(containerId), pod: POD, leasedAtMs: NOW_MS };
}

export function leased(pool: Pool, containerId: string): Lease {
  return granted(pool.lease(attachment(containerId), POD, NOW_MS));
}

export function granted(result: ReturnType<Pool["lease"]>): Lease {
  if (result.kind !== "leased") throw new Error(`expected a new lease, got ${result.kind}`);
  return result.lease;
}

export function refusal(act: () => unknown): PoolRefusal | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof PoolError) return error.refusal;
    throw error;
  }
}
