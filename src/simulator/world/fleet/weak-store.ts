import type { FleetStore } from "../../../fleet/index.ts";
import type { FixedRecord } from "../../../manager/ports/index.ts";
import type { Weakness } from "../options.ts";

type Fixed = FleetStore["fixed"];

/** The store as a node with the weakness asks it; as it is for those that lie elsewhere. */
export function weakenedStore(store: FleetStore, weakness: Weakness | undefined): FleetStore {
  switch (weakness) {
    case "no-epoch":
      return { ...store, fixed: trusting(store.fixed) };
    case "hasty-fencing":
      return { ...store, fixed: hasty(store.fixed) };
    default:
      return store;
  }
}

/** What it held once it holds for ever: it asks nobody, and hears of no loss. */
function trusting(fixed: Fixed): Fixed {
  const held = new Map<string, FixedRecord>();
  const told = <Answer extends { readonly kind: string }>(answer: Answer): Answer => {
    if ("record" in answer && (answer.kind === "claimed" || answer.kind === "done")) {
      const record = answer.record as FixedRecord;
      held.set(record.pod, record);
    }
    return answer;
  };
  return {
    ...fixed,
    async claim(caller, pod) {
      const record = held.get(pod);
      if (record !== undefined) return { kind: "claimed", record, from: "", store: caller.knownStore };
      return told(await fixed.claim(caller, pod));
    },
    create: async (caller, start) => told(await fixed.create(caller, start)),
    async change(what, nodeId, pod, epoch) {
      const answer = await fixed.change(what, nodeId, pod, epoch);
      const record = held.get(pod);
      return answer.kind === "taken" && record !== undefined ? { kind: "done", record } : told(answer);
    },
    async sync(caller, records) {
      const answer = await fixed.sync(caller, records);
      const verdicts = answer.verdicts.map((verdict) => {
        const record = verdict.kind === "lost" ? held.get(verdict.pod) : undefined;
        return record === undefined ? verdict : ({ kind: "yours", record, wantedBy: "" } as const);
      });
      return { ...answer, verdicts };
    },
  };
}

/** A node that holds what another one wants is taken for dead at once. */
function hasty(fixed: Fixed): Fixed {
  return {
    ...fixed,
    claim: (caller, pod) => fixed.claim({ ...caller, times: { ...caller.times, ttlMs: -1, graceMs: 0 } }, pod),
  };
}
