import fc from "fast-check";
import { expect, it } from "vitest";
import { LIMITS, type Manager } from "../../src/manager/index.ts";
import { attachment, configuration, pod, range } from "./harness.ts";
import { GRACE_MS, leased, MINUTE_MS, names, type OrphanLab, orphanLab, pathOf } from "./orphan-lab.ts";

/** Few, so that the same container is made, forgotten and made again. */
const PODS = 6;
const pods = fc.integer({ min: 0, max: PODS - 1 });

type Deed =
  | { readonly kind: "add" | "del" | "forget" | "anew"; readonly n: number }
  | { readonly kind: "hide" | "show" | "restart" }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "list"; readonly left: readonly number[] };

const deeds: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 6, arbitrary: pods.map((n): Deed => ({ kind: "add", n })) },
  { weight: 2, arbitrary: pods.map((n): Deed => ({ kind: "del", n })) },
  { weight: 5, arbitrary: pods.map((n): Deed => ({ kind: "forget", n })) },
  { weight: 1, arbitrary: pods.map((n): Deed => ({ kind: "anew", n })) },
  { weight: 3, arbitrary: fc.constantFrom<Deed>({ kind: "hide" }, { kind: "show" }, { kind: "restart" }) },
  { weight: 1, arbitrary: fc.array(pods, { maxLength: 2 }).map((left): Deed => ({ kind: "list", left })) },
  { weight: 6, arbitrary: fc.integer({ min: 1_000, max: 6 * MINUTE_MS }).map((ms): Deed => ({ kind: "wait", ms })) },
);

/** The truth beside the manager: which sandboxes live, and since when the others do not. */
class Truth {
  readonly alive = new Set<number>();
  readonly goneSinceMs = new Map<number, number>();
  /** What a list left out, and when for the first time since it was made or named. */
  readonly unlistedSinceMs = new Map<number, number>();
  hiddenUntilMs = 0;
}

async function play(lab: OrphanLab, story: readonly Deed[]): Promise<{ truth: Truth; running: Manager }> {
  const truth = new Truth();
  let { running } = lab;
  const { sandboxes, clock } = lab;
  let released = 0;

  /** Each end without a DEL must have its reason. */
  function check(): void {
    for (const { fields } of names(lab, "lease-orphan-released").slice(released)) {
      const n = Number(String(fields?.containerId).split("-")[1]);
      released += 1;
      const sinceMs = truth.goneSinceMs.get(n);
      const listedSinceMs = truth.unlistedSinceMs.get(n);
      const byList =
        listedSinceMs !== undefined && (sinceMs !== undefined || clock.nowMs() - listedSinceMs >= GRACE_MS);
      if (byList) continue;
      expect(truth.alive.has(n), `the lease of ${n} ended, and it lives`).toBe(false);
      expect(clock.nowMs() - (sinceMs ?? clock.nowMs())).toBeGreaterThanOrEqual(GRACE_MS);
      // What was not seen for the grace was not known to be gone for it.
      expect(clock.nowMs() - truth.hiddenUntilMs).toBeGreaterThanOrEqual(GRACE_MS);
    }
  }

  /** Lets time pass until it has an end: an ADD may wait for an address that cools, a stop for what is under way. */
  async function driven(work: Promise<unknown>): Promise<void> {
    let isOver = false;
    const end = () => {
      isOver = true;
    };
    work.then(end, end);
    for (let tries = 0; !isOver && tries < 1_000; tries++) await clock.advance(tries === 0 ? 0 : 100);
    await work;
  }

  async function add(n: number): Promise<void> {
    await driven(running.add({ attachment: attachment(n), pod: pod(n), sandboxPath: pathOf(n) }));
    // One that is renewed is left out since then, not since before.
    truth.alive.add(n);
    truth.goneSinceMs.delete(n);
  }

  for (const deed of story) {
    if (deed.kind === "add" && !truth.alive.has(deed.n)) {
      if (!leased(running).includes(`container-${deed.n}`)) truth.unlistedSinceMs.delete(deed.n);
      sandboxes.open(pathOf(deed.n));
      // The daemon sees what it is asked for, or the lease would not be judged by it.
      sandboxes.visible = true;
      await add(deed.n);
    } else if (deed.kind === "anew" && truth.alive.has(deed.n)) {
      sandboxes.open(pathOf(deed.n));
      sandboxes.visible = true;
      await add(deed.n);
    } else if (deed.kind === "forget" && truth.alive.delete(deed.n)) {
      sandboxes.close(pathOf(deed.n));
      truth.goneSinceMs.set(deed.n, clock.nowMs());
    } else if (deed.kind === "del") {
      truth.alive.delete(deed.n);
      sandboxes.close(pathOf(deed.n));
      await driven(running.remove(attachment(deed.n), pod(deed.n)));
      truth.goneSinceMs.delete(deed.n);
      truth.unlistedSinceMs.delete(deed.n);
    } else if (deed.kind === "hide") sandboxes.visible = false;
    else if (deed.kind === "show") sandboxes.visible = true;
    else if (deed.kind === "restart") {
      await driven(running.stop());
      running = lab.manager("boot-1", { sandboxes });
      await driven(running.start({ kind: "valid", configuration: configuration({ ipam: { "cooling-seconds": 10 } }) }));
      await clock.advance(1_000);
    } else if (deed.kind === "list") {
      const held = range(PODS).filter((n) => leased(running).includes(`container-${n}`));
      for (const n of held) {
        if (deed.left.includes(n)) truth.unlistedSinceMs.set(n, truth.unlistedSinceMs.get(n) ?? clock.nowMs());
        else truth.unlistedSinceMs.delete(n);
      }
      const named = held.filter((n) => !deed.left.includes(n)).map((n) => attachment(n));
      await driven(running.collect("cilium", named));
      check();
      // It may have ended a living one, which was left out for long: its pod is nobody's now.
      for (const n of held) if (!leased(running).includes(`container-${n}`)) forgetAll(truth, n);
    } else if (deed.kind === "wait") {
      // In steps, so that what ends is held against the moment at which it does.
      for (let leftMs = deed.ms; leftMs > 0; leftMs -= 5_000) {
        if (!sandboxes.visible) truth.hiddenUntilMs = clock.nowMs();
        await clock.advance(Math.min(5_000, leftMs));
        check();
      }
    }
  }
  return { truth, running };
}

function forgetAll(truth: Truth, n: number): void {
  truth.alive.delete(n);
  truth.goneSinceMs.delete(n);
  truth.unlistedSinceMs.delete(n);
}

it("no lease of a living sandbox ends without a DEL, and none is left of a sandbox that is gone", {
  timeout: 60_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(deeds, { minLength: 5, maxLength: 40 }), async (story) => {
      const lab = await orphanLab();
      const { truth, running } = await play(lab, story);
      lab.sandboxes.visible = true;
      await lab.clock.advance(LIMITS.vanishedGraceMs + GRACE_MS + 2 * MINUTE_MS);
      expect(leased(running).sort()).toEqual([...truth.alive].map((n) => `container-${n}`).sort());
      expect(running.status().orphans?.leases.filter(({ because }) => because === "sandbox-gone") ?? []).toEqual([]);
      const onDisk = lab.store.load().leases.map(({ attachment: { containerId } }) => containerId);
      expect(onDisk.sort()).toEqual(leased(running).sort());
    }),
    { numRuns: 100 },
  );
});
