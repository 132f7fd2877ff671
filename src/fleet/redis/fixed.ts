import type { ChangeAnswer, ClaimAnswer, FixedRecord } from "../../manager/ports/index.ts";
import {
  AMONG_LIMIT,
  checkAddress,
  checkNode,
  checkPod,
  checkStart,
  type FixedEntry,
  type FixedPage,
  type FixedStore,
  type FixedVerdict,
  type ReleaseAnswer,
  type Told,
} from "../store/fixed.ts";
import { FIXED_KEYS } from "./fixed-script.ts";
import { AMONG, CHANGE, CLAIM, CREATE, FIND, HELD_BY, LIST, PIN, RELEASE, SWEEP, SYNC } from "./fixed-scripts.ts";
import type { Script, ScriptRunner } from "./script.ts";

export function redisFixedStore(runner: ScriptRunner): FixedStore {
  const run = (script: Script, ...args: (string | number)[]) => runner.run(script, FIXED_KEYS, args);
  const json = JSON.stringify;
  return {
    find: async (pod) => ((await run(FIND, checkPod(pod))) as FixedEntry | undefined)?.record,
    among: async (addresses) =>
      listOf(
        ((await run(AMONG, ...addresses.slice(0, AMONG_LIMIT).map(checkAddress))) as FixedRecord[] | undefined) ?? [],
      ),
    claim: async (caller, pod) => (await run(CLAIM, json(caller), checkPod(pod))) as Told<ClaimAnswer>,
    create: async (caller, start) =>
      changed((await run(CREATE, json(caller), json(checkStart(start)))) as Told<ChangeAnswer>),
    change: async (what, nodeId, pod, epoch) =>
      changed((await run(CHANGE, what, nodeId, checkPod(pod), epoch)) as ChangeAnswer),
    async sync(caller, held) {
      checkNode(caller.nodeId);
      const records = held.map((record) => json(checkStart(record)));
      const answer = (await run(SYNC, json(caller), ...records)) as Told<{ verdicts: readonly FixedVerdict[] }>;
      return { store: answer.store, verdicts: listOf(answer.verdicts) };
    },
    heldBy: async (nodeId, after, limit) => pageOf(await run(HELD_BY, checkNode(nodeId), after, limit)),
    list: async (after, limit) => pageOf(await run(LIST, after, limit)),
    show: async (pod) => (await run(FIND, checkPod(pod))) as FixedEntry | undefined,
    release: async (pod, forced) => (await run(RELEASE, checkPod(pod), forced ? "forced" : "")) as ReleaseAnswer,
    pin: async (record) => changed((await run(PIN, json(checkStart(record)))) as ChangeAnswer),
    sweep: async (overdueMs, ttlMs) => ((await run(SWEEP, overdueMs, ttlMs)) as { dropped: number }).dropped,
  };
}

/** A field that is nil is not in the JSON: here it is said. */
function changed<Answer extends ChangeAnswer>(answer: Answer): Answer {
  return answer.kind === "taken" && answer.record === undefined ? { ...answer, record: undefined } : answer;
}

function pageOf(answer: unknown): FixedPage {
  const page = answer as FixedPage;
  return { ...page, entries: listOf(page.entries) };
}

/** cjson writes an empty list as an object. */
function listOf<Item>(items: readonly Item[] | object): readonly Item[] {
  return Array.isArray(items) ? items : [];
}
