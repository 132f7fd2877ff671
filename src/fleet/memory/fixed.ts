import type { ChangeAnswer, ClaimAnswer } from "../../manager/ports/index.ts";
import {
  AMONG_LIMIT,
  BECAUSE,
  checkAddress,
  checkNode,
  checkPod,
  checkStart,
  type FixedCaller,
  type FixedEntry,
  type FixedStore,
  type StoredFixed,
  SWEEP_LIMIT,
} from "../store/fixed.ts";
import { changeFixed } from "./fixed-changes.ts";
import { FixedData } from "./fixed-data.ts";
import { syncFixed } from "./fixed-sync.ts";
import type { MemoryClient } from "./server.ts";

export function memoryFixedStore(client: MemoryClient): FixedStore {
  const step = <Output>(work: (data: FixedData) => Output) => client.run((database) => work(new FixedData(database)));
  return {
    find: async (pod) => {
      checkPod(pod);
      return step((data) => data.record(pod)?.record);
    },
    among: async (addresses) => {
      for (const address of addresses.slice(0, AMONG_LIMIT)) checkAddress(address);
      return step((data) =>
        addresses.slice(0, AMONG_LIMIT).flatMap((address) => data.record(data.podOf(address) ?? "")?.record ?? []),
      );
    },
    claim: async (caller, pod) => {
      checkPod(pod);
      return step((data) => ({ store: data.open(caller), ...claim(data, caller, pod) }));
    },
    create: async (caller, start) => {
      checkStart(start);
      return step((data) => ({ store: data.open(caller), ...create(data, caller, start) }));
    },
    change: async (what, nodeId, pod, epoch) => {
      checkPod(pod);
      return step((data) => changeFixed(data, what, nodeId, pod, epoch));
    },
    sync: async (caller, held) => {
      checkNode(caller.nodeId);
      for (const record of held) checkStart(record);
      return step((data) => {
        const store = data.open(caller);
        data.seen(caller.nodeId);
        return { store, verdicts: held.map((record) => syncFixed(data, caller, record)) };
      });
    },
    heldBy: (nodeId, after, limit) =>
      step((data) => page(data, after, limit, ({ record }) => record.holder === nodeId)),
    list: (after, limit) => step((data) => page(data, after, limit, () => true)),
    show: async (pod) => {
      checkPod(pod);
      return step((data) => {
        const stored = data.record(pod);
        return stored === undefined ? undefined : entryOf(data, stored);
      });
    },
    release: async (pod, forced) => {
      checkPod(pod);
      return step((data) => {
        const stored = data.record(pod);
        if (stored === undefined) return { kind: "unknown" };
        const { record } = stored;
        if (record.state !== "parked" && !forced) return { kind: "bound", record };
        if (record.state !== "parked" || record.holder === "") {
          // Beyond what its holder knows, so that it never brings it back.
          const dropped = { ...record, epoch: record.epoch + 1 };
          data.drop({ ...stored, record: dropped });
          return { kind: "dropped", record: dropped };
        }
        const expires = { ...record, expiresAtMs: data.nowMs };
        data.put({ ...stored, record: expires }, stored.run);
        return { kind: "expires", record: expires };
      });
    },
    pin: async (start) => {
      checkStart(start);
      return step((data) => taken(data, start) ?? begin(data, start, "", "", "parked"));
    },
    sweep: (overdueMs, ttlMs) =>
      step((data) => {
        const over = data.records().filter(({ record: { state, expiresAtMs, holder } }) => {
          if (state !== "parked" || expiresAtMs === undefined) return false;
          return expiresAtMs + overdueMs <= data.nowMs && !data.isAlive(holder, ttlMs);
        });
        const dropped = over.slice(0, SWEEP_LIMIT);
        for (const stored of dropped) data.drop(stored);
        return dropped.length;
      }),
  };
}

function claim(data: FixedData, caller: FixedCaller, pod: string): ClaimAnswer {
  const { nodeId, times } = caller;
  const stored = data.record(pod);
  if (stored === undefined) {
    return data.settling ? { kind: "young", retryMs: Math.min(times.retryMs, data.settlesInMs) } : { kind: "none" };
  }
  const { record } = stored;
  const held = (because: string): ClaimAnswer => ({ kind: "held", record, retryMs: times.retryMs, because });
  if (record.holder === nodeId) {
    return stored.ending ? held(BECAUSE.ending) : { kind: "claimed", record, from: stored.from ?? "" };
  }
  if (record.state === "parked" && !stored.ending) {
    return data.settling ? held(BECAUSE.settling) : take(data, stored, caller, false);
  }
  const { want } = stored;
  const sinceMs = want === undefined || data.nowMs - want.atMs > times.gapMs ? data.nowMs : want.sinceMs;
  const wanted: StoredFixed = { ...stored, want: { by: nodeId, sinceMs, atMs: data.nowMs } };
  data.put(wanted, stored.run);
  if (data.isAlive(record.holder, times.ttlMs)) return held(stored.ending ? BECAUSE.ending : BECAUSE.alive);
  if (data.settling) return held(BECAUSE.settling);
  if (data.nowMs - sinceMs < times.graceMs) return held(BECAUSE.grace);
  if (stored.ending) {
    data.drop(wanted);
    return { kind: "none" };
  }
  return take(data, wanted, caller, true);
}

function take(data: FixedData, stored: StoredFixed, caller: FixedCaller, isFenced: boolean): ClaimAnswer {
  const { expiresAtMs: _, ...record } = stored.record;
  const { nodeId: holder, nodeName: holderName } = caller;
  const moving = { ...record, epoch: data.nextEpoch(stored, isFenced), holder, holderName, state: "moving" } as const;
  const from = record.holder;
  data.put({ record: moving, from });
  return { kind: "claimed", record: moving, from };
}

function create(data: FixedData, caller: FixedCaller, start: Parameters<FixedStore["create"]>[1]): ChangeAnswer {
  const { nodeId, nodeName } = caller;
  const before = data.record(start.pod)?.record;
  if (before?.state === "bound" && before.holder === nodeId && before.address === start.address) {
    return { kind: "done", record: before };
  }
  const refusal = taken(data, start);
  if (refusal !== undefined) return refusal;
  return data.settling ? { kind: "taken", record: undefined } : begin(data, start, nodeId, nodeName, "bound");
}

function taken(data: FixedData, { pod, address }: { pod: string; address: string }): ChangeAnswer | undefined {
  const other = data.record(pod) ?? data.record(data.podOf(address) ?? "");
  return other === undefined ? undefined : { kind: "taken", record: other.record };
}

function begin(
  data: FixedData,
  { pod, address, subnetId, zone, keepMs }: Parameters<FixedStore["create"]>[1],
  holder: string,
  holderName: string,
  state: "bound" | "parked",
): ChangeAnswer {
  const epoch = data.firstEpoch(pod);
  const record = { pod, address, subnetId, zone, epoch, holder, holderName, state, keepMs };
  data.put({ record });
  return { kind: "done", record };
}

function page(data: FixedData, after: string, limit: number, fits: (stored: StoredFixed) => boolean) {
  const following = data.records().filter((stored) => stored.record.pod > after && fits(stored));
  const entries = following.slice(0, limit).map((stored) => entryOf(data, stored));
  const next = following.length > limit ? (entries.at(-1)?.record.pod ?? "") : "";
  return { entries, nowMs: data.nowMs, next };
}

function entryOf(data: FixedData, { record, want, ending }: StoredFixed): FixedEntry {
  const seenAtMs = record.holder === "" ? undefined : data.seenAtMs(record.holder);
  return {
    record,
    wantedBy: want?.by ?? "",
    ending: ending ?? false,
    ...(seenAtMs === undefined ? {} : { holderSeenAtMs: seenAtMs }),
  };
}
