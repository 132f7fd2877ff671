import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../src/adapters/index.ts";
import type { Lease } from "../src/pool/index.ts";
import { openSqliteStore } from "../src/state/index.ts";

const ROUNDS = 5;
/** About ten times the pods of the largest node, so that the tables are not smaller than in real life. */
const LEASES_PER_ROUND = 8_192;
const ROUND_LIMIT_MS = 1_000;

/**
 * Leases made durable per second (commit of one "lease-put" each, acknowledged after fsync) with so many promises in
 * flight: the median of five rounds after one that is not counted, each on a new file on the disk of the repository.
 */
export async function measureDurableLeases(inFlight: number[]): Promise<Record<string, number>> {
  const rates: Record<string, number> = {};
  for (const count of inFlight) {
    await measureRound(count);
    const rounds: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) rounds.push(await measureRound(count));
    rates[String(count)] = Math.round(rounds.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0);
  }
  return rates;
}

async function measureRound(inFlight: number): Promise<number> {
  // Not os.tmpdir(): that may be memory, where fsync costs nothing.
  const parent = fileURLToPath(new URL("../.enid/", import.meta.url));
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, "bench-"));
  const store = openSqliteStore({ file: join(folder, "state.db"), clock: systemClock });
  try {
    const startedMs = systemClock.monotonicMs();
    let sequence = 0;
    const worker = async () => {
      while (sequence < LEASES_PER_ROUND && systemClock.monotonicMs() - startedMs < ROUND_LIMIT_MS) {
        sequence += 1;
        await store.commit([{ kind: "lease-put", lease: leaseNumber(sequence) }]);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
    const elapsedMs = systemClock.monotonicMs() - startedMs;
    if (store.load().leases.length !== sequence) throw new Error("the state holds fewer leases than were acknowledged");
    return (sequence * 1_000) / elapsedMs;
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Container ids that are spread as those of a runtime are, so that the index is filled in no particular order. */
function leaseNumber(sequence: number): Lease {
  const mixed = Math.imul(sequence, 0x9e3779b1) >>> 0;
  return {
    address: `10.${(sequence >> 16) & 255}.${(sequence >> 8) & 255}.${sequence & 255}`,
    attachment: {
      network: "cilium",
      containerId: mixed.toString(16).padStart(8, "0").repeat(8),
      interfaceName: "eth0",
    },
    pod: {
      namespace: "production",
      name: `checkout-5d8f7c9b6d-${sequence.toString(36)}`,
      uid: "5f1c2a34-8a0e-4c57-9a4b-3c1f0e9d7b21",
    },
    leasedAtMs: 1_790_000_000_000 + sequence,
  };
}

if (import.meta.main) {
  console.log(JSON.stringify(await measureDurableLeases([1, 16, 128]), null, 2));
}
