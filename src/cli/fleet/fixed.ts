import { EnidError } from "../../errors.ts";
import {
  FIXED_PAGE_LIMIT,
  type FixedEntry,
  type FixedStart,
  type FixedStore,
  type ReleaseAnswer,
} from "../../fleet/index.ts";
import type { FixedRecord } from "../../manager/ports/index.ts";

export interface FixedFilter {
  readonly namespace?: string | undefined;
  /** Part of the holder's name, or its id. */
  readonly node?: string | undefined;
  readonly state?: string | undefined;
}

export interface FixedList {
  /** The store's time, wall ms. */
  readonly nowMs: number;
  /** Records of the fleet, whatever the filter leaves of them. */
  readonly total: number;
  readonly entries: readonly FixedEntry[];
}

export async function listFixed(store: FixedStore, filter: FixedFilter): Promise<FixedList> {
  const entries: FixedEntry[] = [];
  let after = "";
  let total = 0;
  let nowMs = 0;
  do {
    const page = await store.list(after, FIXED_PAGE_LIMIT);
    total += page.entries.length;
    entries.push(...page.entries.filter((entry) => fits(entry, filter)));
    ({ next: after, nowMs } = page);
  } while (after !== "");
  return { nowMs, total, entries };
}

function fits({ record }: FixedEntry, { namespace, node, state }: FixedFilter): boolean {
  if (namespace !== undefined && !record.pod.startsWith(`${namespace}/`)) return false;
  if (node !== undefined && record.holder !== node && !record.holderName.includes(node)) return false;
  return state === undefined || record.state === state;
}

export interface ShownFixed extends FixedEntry {
  readonly nowMs: number;
}

/** @throws EnidError ENID_FIXED_UNKNOWN, ENID_USAGE */
export async function showFixed(store: FixedStore, pod: string): Promise<ShownFixed> {
  const entry = await store.show(podNamed(pod));
  if (entry === undefined) throw new EnidError("ENID_FIXED_UNKNOWN", { pod });
  const { nowMs } = await store.list("", 1);
  return { ...entry, nowMs };
}

export type Released = Extract<ReleaseAnswer, { kind: "expires" | "dropped" }>;

/** @throws EnidError ENID_FIXED_UNKNOWN, ENID_FIXED_BOUND, ENID_USAGE */
export async function releaseFixed(store: FixedStore, pod: string, forced: boolean): Promise<Released> {
  const answer = await store.release(podNamed(pod), forced);
  if (answer.kind === "unknown") throw new EnidError("ENID_FIXED_UNKNOWN", { pod });
  if (answer.kind === "bound") {
    const { address, state, holderName, holder } = answer.record;
    throw new EnidError("ENID_FIXED_BOUND", { pod, address, state, holder: holderName || holder });
  }
  return answer;
}

/** @throws EnidError ENID_FIXED_TAKEN, ENID_USAGE */
export async function pinFixed(store: FixedStore, start: FixedStart, isOnPremises: boolean): Promise<FixedRecord> {
  podNamed(start.pod);
  if (!isIpv4(start.address)) throw usage(`${JSON.stringify(start.address)} is not an IPv4 address`);
  if ((start.subnetId === "") !== (start.zone === "")) throw usage("--subnet and --zone belong together");
  if (!isOnPremises && start.subnetId === "") {
    throw usage("on AWS an address is of a subnet: --subnet and --zone name it");
  }
  const answer = await store.pin(start);
  if (answer.kind === "done") return answer.record;
  throw new EnidError("ENID_FIXED_TAKEN", {
    pod: start.pod,
    address: start.address,
    because: whoHas(answer.record, start.pod),
  });
}

function whoHas(record: FixedRecord | undefined, pod: string): string {
  if (record === undefined) return "its record is another one by now";
  return record.pod === pod ? `it has ${record.address} already` : `${record.pod} has it`;
}

function podNamed(pod: string): string {
  if (/^[a-z0-9.-]{1,63}\/[a-z0-9.-]{1,253}$/.test(pod)) return pod;
  throw usage(`${JSON.stringify(pod)} is not a pod as namespace/name`);
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}

function usage(detail: string): EnidError {
  return new EnidError("ENID_USAGE", { detail, command: "fleet fixed" });
}
