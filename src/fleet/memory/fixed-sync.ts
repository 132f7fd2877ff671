import type { FixedRecord } from "../../manager/ports/index.ts";
import type { FixedCaller, FixedVerdict, StoredFixed } from "../store/fixed.ts";
import type { FixedData } from "./fixed-data.ts";

/** What becomes of one record that a node says it holds. */
export function syncFixed(data: FixedData, caller: FixedCaller, held: FixedRecord): FixedVerdict {
  const { pod } = held;
  const stored = data.record(pod);
  const isNobodys = held.holder === "";
  if (held.holder !== caller.nodeId && !isNobodys) {
    return stored === undefined ? { kind: "gone", pod } : verdict(data, caller, stored, pod);
  }
  const known = stored?.record ?? data.tombstone(pod)?.record;
  if (known !== undefined && known.epoch >= held.epoch) {
    return stored === undefined ? { kind: "gone", pod } : verdict(data, caller, stored, pod);
  }
  // The node knows what the store does not: the store lost it, and gets it back.
  data.lost(caller.times.youngMs);
  const rival = data.record(podOfOther(data, held));
  if (rival !== undefined) {
    if (isNobodys) return { kind: "gone", pod };
    if (!isStronger(held, rival.record)) {
      if (stored !== undefined) data.drop(stored);
      data.bury({ record: held, atMs: data.nowMs });
      return { kind: "gone", pod };
    }
    data.drop(rival);
  }
  const back: StoredFixed = { record: held, want: stored?.want };
  data.put(back, "");
  return verdict(data, caller, back, pod);
}

function verdict(data: FixedData, caller: FixedCaller, stored: StoredFixed, pod: string): FixedVerdict {
  const { record, want } = stored;
  if (record.holder !== caller.nodeId) return { kind: "lost", pod, record };
  const isOver = record.state === "parked" && record.expiresAtMs !== undefined && record.expiresAtMs <= data.nowMs;
  if (!isOver) return { kind: "yours", record, wantedBy: want?.by ?? "" };
  // From now on its node may give it back at any moment: nobody claims it any more.
  if (!stored.ending) data.put({ ...stored, ending: true }, stored.run);
  return { kind: "expired", record };
}

function podOfOther(data: FixedData, { pod, address }: FixedRecord): string {
  const other = data.podOf(address);
  return other === undefined || other === pod ? "" : other;
}

/** Of two pods with one address: the longer history, then the one whose pod runs, then what the store says. */
function isStronger(held: FixedRecord, rival: FixedRecord): boolean {
  if (held.epoch !== rival.epoch) return held.epoch > rival.epoch;
  return held.state === "bound" && rival.state !== "bound";
}
