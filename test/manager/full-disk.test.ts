import { describe, expect, it } from "vitest";
import { EnidError } from "../../src/errors.ts";
import type { Change, Manager } from "../../src/manager/index.ts";
import { Dice } from "../support/world-clock.ts";
import { add, attachment, configuration, createLab, type Lab, startedLab } from "./harness.ts";

const MINUTE_MS = 60_000;
const FAILING = [{ name: "state-write-failing" }];

/** The nth file; each says something else. */
const file = (n: number) => configuration({ ipam: { "max-above-watermark": n } });
const put = (n: number) => ({ kind: "valid", configuration: file(n) }) as const;
const inForce = (manager: Manager) => manager.status().settings.values["max-above-watermark"];

/** Numbers of the files that reached the disk, in order. */
function written({ store }: Lab): number[] {
  return store.log.flatMap((change) =>
    change.kind === "configuration-put" ? [JSON.parse(change.configuration.text).ipam["max-above-watermark"]] : [],
  );
}

/** The disk takes `disk.ms` for a commit, one after the other in the order of the calls, and refuses what it is told to. */
function slowed({ store, clock }: Lab, disk: { ms: number; refuses: (changes: readonly Change[]) => boolean }): void {
  const commit = store.commit.bind(store);
  let last: Promise<void> = Promise.resolve();
  store.commit = (changes) => {
    const turn = last.then(async () => {
      if (disk.ms > 0) await new Promise<void>((resolve) => clock.after(disk.ms, resolve));
      if (disk.refuses(changes)) throw new EnidError("ENID_STATE_WRITE_FAILED", { detail: "the disk is full" });
      await commit(changes);
    });
    last = turn.catch(() => {});
    return turn;
  };
}

const isLease = (changes: readonly Change[]) => changes.some(({ kind }) => kind === "lease-put");

describe("a disk that refused a lease and is well again", () => {
  it("is no degradation any more within seconds, although an idle node has nothing to write", async () => {
    const lab = await startedLab();
    lab.store.leasesRefused = true;
    expect(await add(lab.running, 1)).toMatchObject({ code: "ENID_STATE_WRITE_FAILED" });
    expect(lab.running.status().degraded).toMatchObject(FAILING);
    lab.store.leasesRefused = false;
    const calls = lab.provider.log.length;
    await lab.clock.advance(5_000);
    expect(lab.running.status().degraded).toEqual([]);
    expect(lab.provider.log).toHaveLength(calls);
    // One probe is enough: nothing is written once it is known that the disk is well.
    const commits = lab.store.log.length;
    await lab.clock.advance(10 * MINUTE_MS);
    expect(lab.store.log).toHaveLength(commits);
    expect(await add(lab.running, 2)).toMatch(/^10\./);
    expect(lab.store.load().leases.map((lease) => lease.attachment)).toEqual([attachment(2)]);
  });

  it("stays one as long as it refuses everything, and is asked about once a second at most", async () => {
    const lab = await startedLab();
    let commits = 0;
    const disk = { ms: 0, refuses: () => ++commits > 0 };
    slowed(lab, disk);
    expect(await add(lab.running, 1)).toMatchObject({ code: "ENID_STATE_WRITE_FAILED" });
    commits = 0;
    await lab.clock.advance(10 * MINUTE_MS);
    expect(lab.running.status().degraded).toMatchObject(FAILING);
    expect(commits).toBeGreaterThan(10);
    expect(commits).toBeLessThanOrEqual(620);
    disk.refuses = () => false;
    await lab.clock.advance(5_000);
    expect(lab.running.status().degraded).toEqual([]);
  });

  it("stays one without any file until the next write, and nothing is lost", async () => {
    const lab = createLab();
    const running = lab.manager();
    await running.start({ kind: "none" });
    await lab.clock.advance(3_000);
    const address = await add(running, 1);
    // Until the buffer is full again.
    await lab.clock.advance(10 * MINUTE_MS);
    lab.store.leasesRefused = true;
    expect(await add(running, 2)).toMatchObject({ code: "ENID_STATE_WRITE_FAILED" });
    lab.store.leasesRefused = false;
    await lab.clock.advance(10 * MINUTE_MS);
    expect(running.status().degraded).toMatchObject(FAILING);
    expect(lab.store.load().leases).toMatchObject([{ address }]);
    await running.remove(attachment(1));
    await lab.clock.advance(1_000);
    expect(running.status().degraded).toEqual([]);
    expect(lab.store.load()).toMatchObject({ leases: [], cooling: [{ address }] });
    expect(lab.store.load().configuration).toBeUndefined();
    const again = lab.manager();
    await again.start({ kind: "none" });
    expect(again.leases()).toEqual([]);
  });

  it("keeps what it refused beside the lease, in order", async () => {
    const lab = await startedLab();
    await add(lab.running, 1);
    lab.store.leasesRefused = true;
    expect(await add(lab.running, 2)).toBeInstanceOf(EnidError);
    lab.store.full = true;
    const gone = lab.running.remove(attachment(1));
    await lab.clock.advance(10_000);
    await gone;
    expect(lab.store.load().leases).toHaveLength(1);
    lab.store.full = false;
    lab.store.leasesRefused = false;
    await lab.clock.advance(5_000);
    expect(lab.running.status().degraded).toEqual([]);
    expect(lab.store.load().leases).toEqual([]);
  });
});

describe("a file that is offered while a probe of the disk is due", () => {
  /** The probe is under way with the file before, `ms` before the disk answers it. */
  async function probing(ms: number) {
    const lab = await startedLab({ ipam: { "max-above-watermark": 1 } });
    const disk = { ms: 0, refuses: isLease };
    slowed(lab, disk);
    expect(await add(lab.running, 1)).toBeInstanceOf(EnidError);
    disk.refuses = () => false;
    disk.ms = ms;
    return { ...lab, disk };
  }

  it("is what the disk holds in the end, also when the probe was under way before it", async () => {
    const lab = await probing(4_000);
    await lab.clock.advance(3_000);
    const offered = lab.running.offerConfiguration(put(2));
    await lab.clock.advance(20_000);
    await offered;
    expect(written(lab)).toEqual([1, 1, 2]);
    expect(lab.running.status().degraded).toEqual([]);
  });

  it("is not overwritten by a probe that comes due while it is on its way to a slow disk", async () => {
    const lab = await startedLab({ ipam: { "max-above-watermark": 1 } });
    const disk = { ms: 10_000, refuses: isLease };
    slowed(lab, disk);
    // The lease is refused, and the probe is due, while the file behind it waits for the disk.
    void add(lab.running, 1);
    await lab.clock.advance(1_000);
    const offered = lab.running.offerConfiguration(put(2));
    await lab.clock.advance(10_000);
    expect(lab.running.status().degraded).toMatchObject(FAILING);
    // Whatever is written next is preceded by what is overdue.
    await lab.clock.advance(3_000);
    void add(lab.running, 2);
    await lab.clock.advance(MINUTE_MS);
    await offered;
    expect(written(lab).slice(0, 2)).toEqual([1, 2]);
    expect(new Set(written(lab).slice(1))).toEqual(new Set([2]));
    expect(lab.running.status().degraded).toEqual([]);
    const again = lab.manager();
    disk.ms = 0;
    await again.start({ kind: "none" });
    expect(inForce(again)).toBe(2);
  });

  it("changes nothing when the disk refuses it, and the probe writes the one in force", async () => {
    const lab = await probing(0);
    lab.disk.refuses = () => true;
    await expect(lab.running.offerConfiguration(put(2))).rejects.toMatchObject({ code: "ENID_STATE_WRITE_FAILED" });
    lab.disk.refuses = () => false;
    await lab.clock.advance(5_000);
    expect(inForce(lab.running)).toBe(1);
    expect(written(lab)).toEqual([1, 1]);
    expect(lab.running.status().degraded).toEqual([]);
  });

  it.each(Array.from({ length: 40 }, (_, seed) => seed))(
    "is in force after a restart without a file if it was accepted last, however the disk was (seed %i)",
    async (seed) => {
      const dice = new Dice(seed);
      const lab = await startedLab({ ipam: { "max-above-watermark": 1 } });
      const disk = { ms: 0, refuses: isLease };
      slowed(lab, disk);
      const accepted = [1];
      const offers: Promise<unknown>[] = [];
      for (let n = 2; n < 20; n++) {
        disk.ms = dice.chance(0.5) ? 0 : dice.between(1, 5_000);
        const refusing = dice.between(0, 2);
        disk.refuses = (changes) => refusing === 2 || (refusing === 1 && isLease(changes));
        void add(lab.running, n);
        if (dice.chance(0.6)) {
          const offered = lab.running.offerConfiguration(put(n)).then(
            () => accepted.push(n),
            () => {},
          );
          offers.push(offered);
        }
        await lab.clock.advance(dice.chance(0.5) ? dice.between(0, 500) : dice.between(500, 8_000));
      }
      Object.assign(disk, { ms: 0, refuses: () => false });
      await lab.clock.advance(MINUTE_MS);
      await Promise.all(offers);
      const last = accepted.at(-1);
      expect(inForce(lab.running)).toBe(last);
      expect(written(lab)).toEqual([...written(lab)].sort((a, b) => a - b));
      expect(new Set(written(lab))).toEqual(new Set(accepted));
      expect(lab.running.status().degraded).toEqual([]);
      const again = lab.manager();
      await again.start({ kind: "none" });
      expect(inForce(again)).toBe(last);
    },
  );
});
