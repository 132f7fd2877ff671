import type { ChangeAnswer, FixedRecord } from "../../manager/ports/index.ts";
import type { FixedChange } from "../store/fixed.ts";
import type { FixedData } from "./fixed-data.ts";

/** What the holder does, in its epoch; or the answer of before, should it have been done already. */
export function changeFixed(
  data: FixedData,
  what: FixedChange,
  nodeId: string,
  pod: string,
  epoch: number,
): ChangeAnswer {
  const stored = data.record(pod);
  if (stored === undefined) {
    const tombstone = data.tombstone(pod)?.record;
    const isRepeated = what === "forget" && tombstone?.epoch === epoch && tombstone.holder === nodeId;
    return isRepeated ? { kind: "done", record: tombstone } : { kind: "taken", record: undefined };
  }
  const { record } = stored;
  const { expiresAtMs: _, ...base } = record;
  const isInEpoch = record.epoch === epoch && record.holder === nodeId;
  // The step was done already, and its answer was lost.
  const isNext = stored.before === epoch;
  const next = data.nextEpoch(stored);
  const done = (after: FixedRecord): ChangeAnswer => ({ kind: "done", record: after });
  const refused: ChangeAnswer = { kind: "taken", record };
  const expiry = (): { expiresAtMs?: number } => (record.keepMs > 0 ? { expiresAtMs: data.nowMs + record.keepMs } : {});

  switch (what) {
    case "bind": {
      const isThere = record.holder === nodeId && record.state === "bound" && (isInEpoch || isNext);
      if (isThere) return done(record);
      // What its holder was told to give back may be another's by now.
      if (!isInEpoch || stored.ending) return refused;
      const bound: FixedRecord = { ...base, epoch: next, state: "bound" };
      data.put({ record: bound, before: epoch });
      return done(bound);
    }
    case "park": {
      const isThere = record.holder === nodeId && record.state === "parked" && (isInEpoch || isNext);
      if (isThere) return done(record);
      if (!isInEpoch) return refused;
      const parked: FixedRecord = { ...base, epoch: next, state: "parked", ...expiry() };
      data.put({ record: parked, want: stored.want, before: epoch });
      return done(parked);
    }
    case "yield": {
      if (isNext && record.holder === "" && record.state === "parked") return done(record);
      if (!isInEpoch) return refused;
      const until = record.expiresAtMs === undefined ? expiry() : { expiresAtMs: record.expiresAtMs };
      const left = { ...base, epoch: next, holder: "", holderName: "", state: "parked", ...until } as const;
      data.put({ record: left, before: epoch });
      return done(left);
    }
    case "forget":
      if (!isInEpoch) return refused;
      data.drop(stored);
      return done(record);
  }
}
