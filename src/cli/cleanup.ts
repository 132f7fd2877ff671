import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Clock } from "../adapters/index.ts";
import { coerceError, EnidError } from "../errors.ts";
import type { CleanupKnowledge } from "../handoff/routes/index.ts";
import type { StoredState } from "../manager/index.ts";
import { daemonClient } from "./client.ts";
import { STATE_FILE } from "./overrides.ts";

export interface CleanupPlace {
  readonly stateDir: string;
  readonly socket: string;
  /** There may be no state. */
  readonly byShape: boolean;
  readonly clock: Clock;
}

export function hasState({ stateDir }: Pick<CleanupPlace, "stateDir">): boolean {
  return existsSync(path.join(stateDir, STATE_FILE));
}

/**
 * What the state says of the node, whether a daemon has it open or not: a copy of it is read.
 *
 * @throws EnidError ENID_CLEANUP_STATE without a state, unless the shape may tell.
 */
export async function knowledgeOfState(place: CleanupPlace): Promise<CleanupKnowledge> {
  if (!hasState(place)) return withoutState(place);
  const { openSqliteStore } = await import("../state/index.ts");
  const folder = mkdtempSync(path.join(tmpdir(), "enid-cleanup-"));
  try {
    for (const suffix of ["", "-wal"]) {
      const from = path.join(place.stateDir, `${STATE_FILE}${suffix}`);
      if (existsSync(from)) copyFileSync(from, path.join(folder, `${STATE_FILE}${suffix}`));
    }
    const store = openSqliteStore({ file: path.join(folder, STATE_FILE), clock: place.clock });
    try {
      return knowledgeOf(store.load());
    } finally {
      await store.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The same, with the state locked while `work` runs: no daemon begins to set again what is removed.
 *
 * @throws EnidError ENID_STATE_LOCKED or ENID_SOCKET_IN_USE while a daemon runs, ENID_CLEANUP_STATE as above, and what `work` throws.
 */
export async function withOwnState<Result>(
  place: CleanupPlace,
  work: (knowledge: CleanupKnowledge) => Promise<Result>,
): Promise<Result> {
  if (!hasState(place)) {
    const knowledge = withoutState(place);
    await refuseBesideDaemon(place);
    return work(knowledge);
  }
  const { openSqliteStore } = await import("../state/index.ts");
  const store = openSqliteStore({ file: path.join(place.stateDir, STATE_FILE), clock: place.clock });
  try {
    await refuseBesideDaemon(place);
    return await work(knowledgeOf(store.load()));
  } finally {
    await store.close();
  }
}

function withoutState({ stateDir, byShape }: CleanupPlace): undefined {
  if (!byShape) throw new EnidError("ENID_CLEANUP_STATE", { file: path.join(stateDir, STATE_FILE) });
}

/** One with another state would set again what is removed. */
async function refuseBesideDaemon({ socket, clock }: CleanupPlace): Promise<void> {
  try {
    await daemonClient(socket, clock).request("GET", "/v1/status");
  } catch (thrown) {
    if (coerceError(thrown).code === "ENID_DAEMON_UNREACHABLE") return;
  }
  throw new EnidError("ENID_SOCKET_IN_USE", { socket });
}

function knowledgeOf({ interfaces, blocks, leases }: StoredState): CleanupKnowledge {
  const attached = interfaces.filter(({ foreign, deviceIndex }) => !foreign && deviceIndex >= 0);
  return {
    interfaces: attached.map((record) => ({ ...record, primaryIsForPods: false, usable: true })),
    blocks: blocks.map((block) => ({ ...block, usable: true })),
    addresses: leases.flatMap(({ address, ipv6Address }) =>
      [address, ...(ipv6Address === undefined ? [] : [ipv6Address])].map((each) => ({
        address: each,
        interfaceId: "",
      })),
    ),
  };
}
