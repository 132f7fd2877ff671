import { describe, expect, it } from "vitest";
import { EnidError } from "../../src/errors.ts";
import { createMemorySandboxes } from "../../src/handoff/cni/index.ts";
import type { Reach, Sandboxes } from "../../src/manager/index.ts";
import { attachment, configuration, pod, range, startedLab } from "./harness.ts";
import { addPod, addPods, GRACE_MS, leased, MINUTE_MS, names, orphanLab, pathOf } from "./orphan-lab.ts";

describe("a lease whose sandbox is gone", () => {
  it("keeps the sandbox of its ADD, durably", async () => {
    const lab = await orphanLab();
    const address = await addPod(lab, 1);
    expect(lab.store.load().leases).toMatchObject([
      { address, sandbox: { path: pathOf(1), identity: expect.stringMatching(/^\d+:\d+$/) } },
    ]);
  });

  it("ends after the grace, not before, and its address cools", async () => {
    const lab = await orphanLab();
    const [first = ""] = await addPods(lab, 2);
    await lab.clock.advance(2 * MINUTE_MS);
    lab.sandboxes.close(pathOf(0));
    await lab.clock.advance(MINUTE_MS);
    expect(names(lab, "lease-orphaned")).toHaveLength(1);
    expect(lab.running.status().orphans).toEqual({
      leases: [{ address: first, pod: pod(0), sinceMs: expect.any(Number), because: "sandbox-gone" }],
      released: 0,
    });
    expect(lab.running.explain("shop/web-0").because.at(-1)).toMatch(
      /^its sandbox \/run\/netns\/cni-0 is gone since 20\S+ and no DEL came; the lease ends at 20/,
    );
    expect(lab.running.explain("shop/web-1").because.join()).not.toContain("gone");
    await lab.clock.advance(GRACE_MS - MINUTE_MS - 1_000);
    expect(leased(lab.running)).toEqual(["container-0", "container-1"]);
    await lab.clock.advance(MINUTE_MS + 2_000);
    expect(leased(lab.running)).toEqual(["container-1"]);
    expect(lab.store.load().leases.map(({ attachment: { containerId } }) => containerId)).toEqual(["container-1"]);
    expect(lab.running.status().orphans).toEqual({ leases: [], released: 1 });
    expect(names(lab, "lease-orphan-released")).toMatchObject([
      { level: "warn", fields: { address: first, containerId: "container-0", path: pathOf(0) } },
    ]);
    const told = lab.running.explain(first).history.map(({ what }) => what);
    expect(told).toEqual([
      `shop/web-0 was given ${first}`,
      expect.stringContaining(`its sandbox ${pathOf(0)} is gone and no DEL came; the lease ends at 20`),
      expect.stringContaining("no DEL came and its sandbox is gone since 20"),
      `${first} was released and cools down`,
    ]);
  });

  it("ends as soon as its grace is over: the look for it comes then", async () => {
    const lab = await orphanLab({ "orphan-grace-seconds": 90 });
    await addPods(lab, 2);
    await lab.clock.advance(MINUTE_MS);
    lab.sandboxes.close(pathOf(0));
    await lab.clock.advance(MINUTE_MS);
    const since = lab.running.status().orphans?.leases[0]?.sinceMs ?? 0;
    await lab.clock.advance(since + 90_000 - lab.clock.nowMs() - 1);
    expect(leased(lab.running)).toHaveLength(2);
    await lab.clock.advance(50);
    expect(leased(lab.running)).toHaveLength(1);
  });

  it("ends by its DEL as ever, which is told nothing of", async () => {
    const lab = await orphanLab();
    await addPods(lab, 2);
    lab.sandboxes.close(pathOf(0));
    await lab.clock.advance(2 * MINUTE_MS);
    await lab.running.remove(attachment(0), pod(0));
    await lab.clock.advance(2 * GRACE_MS);
    expect(leased(lab.running)).toEqual(["container-1"]);
    expect(names(lab, "lease-orphan-released")).toEqual([]);
    expect(lab.running.status().orphans).toBeUndefined();
  });

  it("never ends with orphan-grace-seconds 0", async () => {
    const lab = await orphanLab({ "orphan-grace-seconds": 0 });
    await addPods(lab, 2);
    lab.sandboxes.close(pathOf(0));
    await lab.clock.advance(24 * 60 * MINUTE_MS);
    expect(leased(lab.running)).toHaveLength(2);
    expect(lab.running.status().orphans?.leases).toHaveLength(1);
    expect(names(lab, "lease-orphaned")[0]?.message).toContain("orphan-grace-seconds is 0");
    // The setting counts at once.
    await lab.running.setOverride("orphan-grace-seconds=60");
    await lab.clock.advance(2 * MINUTE_MS);
    expect(leased(lab.running)).toHaveLength(1);
  });

  it("is gone when another sandbox is at its path", async () => {
    const lab = await orphanLab();
    await addPods(lab, 2);
    lab.sandboxes.open(pathOf(0));
    await lab.clock.advance(GRACE_MS + 2 * MINUTE_MS);
    expect(leased(lab.running)).toEqual(["container-1"]);
  });

  it("ends on a full disk too, and the disk hears of it later", async () => {
    const lab = await orphanLab();
    await addPods(lab, 2);
    lab.sandboxes.close(pathOf(0));
    lab.store.full = true;
    await lab.clock.advance(GRACE_MS + 2 * MINUTE_MS);
    expect(leased(lab.running)).toEqual(["container-1"]);
    expect(lab.store.load().leases).toHaveLength(2);
    lab.store.full = false;
    await lab.clock.advance(MINUTE_MS);
    expect(lab.store.load().leases).toHaveLength(1);
  });

  it("is judged by a daemon that was started anew, by its own time", async () => {
    const lab = await orphanLab();
    await addPods(lab, 2);
    lab.sandboxes.close(pathOf(0));
    await lab.clock.advance(GRACE_MS - MINUTE_MS);
    await lab.running.stop();
    const next = lab.manager("boot-1", { sandboxes: lab.sandboxes });
    await next.start({ kind: "valid", configuration: configuration() });
    await lab.clock.advance(GRACE_MS - 1_000);
    expect(leased(next)).toHaveLength(2);
    await lab.clock.advance(MINUTE_MS);
    expect(leased(next)).toEqual(["container-1"]);
  });
});

describe("a lease is never judged", () => {
  it("when its ADD named no sandbox that could be seen", async () => {
    const lab = await orphanLab();
    await addPods(lab, 1);
    await lab.running.add({ attachment: attachment(1), pod: pod(1) });
    await lab.running.add({ attachment: attachment(2), pod: pod(2), sandboxPath: "/run/netns/elsewhere" });
    await lab.clock.advance(24 * 60 * MINUTE_MS);
    expect(leased(lab.running)).toHaveLength(3);
    expect(lab.store.load().leases.filter(({ sandbox }) => sandbox !== undefined)).toHaveLength(1);
  });

  it("while the sandboxes cannot be seen; and the grace begins anew when they can", async () => {
    const lab = await orphanLab();
    await addPods(lab, 2);
    lab.sandboxes.close(pathOf(0));
    await lab.clock.advance(GRACE_MS - MINUTE_MS);
    lab.sandboxes.visible = false;
    await lab.clock.advance(10 * GRACE_MS);
    expect(leased(lab.running)).toHaveLength(2);
    expect(lab.running.status().orphans).toBeUndefined();
    expect(names(lab, "lease-orphan-back")).toHaveLength(1);
    lab.sandboxes.visible = true;
    await lab.clock.advance(GRACE_MS - 1_000);
    expect(leased(lab.running)).toHaveLength(2);
    await lab.clock.advance(2 * MINUTE_MS);
    expect(leased(lab.running)).toHaveLength(1);
  });

  it("by a look that hangs, and the loop goes on", async () => {
    const memory = createMemorySandboxes();
    let hangs = false;
    const sandboxes: Sandboxes = {
      identify: (path) => memory.identify(path),
      look: (all) => (hangs ? new Promise(() => {}) : memory.look(all)),
    };
    const lab = await startedLab({}, { sandboxes });
    const own = { ...lab, sandboxes: memory };
    await addPod(own, 0);
    await addPod(own, 1);
    memory.close(pathOf(0));
    hangs = true;
    await lab.clock.advance(20 * GRACE_MS);
    expect(leased(lab.running)).toHaveLength(2);
    await addPod(own, 2);
    hangs = false;
    await lab.clock.advance(GRACE_MS + 7 * MINUTE_MS);
    expect(leased(lab.running)).toEqual(["container-1", "container-2"]);
  });

  it("without sandboxes to look at", async () => {
    const lab = await startedLab();
    await lab.running.add({ attachment: attachment(0), pod: pod(0), sandboxPath: pathOf(0) });
    await lab.clock.advance(24 * 60 * MINUTE_MS);
    expect(leased(lab.running)).toHaveLength(1);
  });
});

describe("sandboxes that are all gone at once", () => {
  it("keep their leases for half an hour", async () => {
    const lab = await orphanLab();
    await addPods(lab, 4);
    await lab.clock.advance(2 * MINUTE_MS);
    for (const n of range(4)) lab.sandboxes.close(pathOf(n));
    await lab.clock.advance(29 * MINUTE_MS);
    expect(leased(lab.running)).toHaveLength(4);
    expect(names(lab, "sandboxes-vanished")).toMatchObject([{ fields: { folder: "/run/netns", count: 4 } }]);
    await lab.clock.advance(3 * MINUTE_MS);
    expect(leased(lab.running)).toEqual([]);
  });

  it("are no cause for doubt one after the other, nor when one of them is left", async () => {
    const lab = await orphanLab();
    await addPods(lab, 5);
    await lab.clock.advance(2 * MINUTE_MS);
    for (const n of range(4)) lab.sandboxes.close(pathOf(n));
    await lab.clock.advance(2 * MINUTE_MS);
    lab.sandboxes.close(pathOf(4));
    await lab.clock.advance(GRACE_MS + 2 * MINUTE_MS);
    expect(leased(lab.running)).toEqual([]);
    expect(names(lab, "sandboxes-vanished")).toEqual([]);
  });

  it("are a cause for doubt for a daemon that was away meanwhile", async () => {
    const lab = await orphanLab();
    await addPods(lab, 4);
    await lab.running.stop();
    for (const n of range(4)) lab.sandboxes.close(pathOf(n));
    const next = lab.manager("boot-1", { sandboxes: lab.sandboxes });
    await next.start({ kind: "valid", configuration: configuration() });
    await lab.clock.advance(25 * MINUTE_MS);
    expect(leased(next)).toHaveLength(4);
  });
});

describe("an ADD", () => {
  it("does not wait for a sandbox whose path hangs, and one after it waits no longer", async () => {
    const sandboxes: Sandboxes = { identify: () => new Promise(() => {}), look: async () => [] };
    const lab = await startedLab({}, { sandboxes });
    const before = lab.clock.monotonicMs();
    for (const n of range(2)) {
      const answer = lab.running.add({ attachment: attachment(n), pod: pod(n), sandboxPath: pathOf(n) });
      await lab.clock.advance(500);
      await answer;
    }
    expect(lab.clock.monotonicMs() - before).toBe(1_000);
    await lab.running.add({ attachment: attachment(2), pod: pod(2), sandboxPath: pathOf(2) });
    expect(lab.clock.monotonicMs() - before).toBe(1_000);
    expect(lab.store.load().leases.map(({ sandbox }) => sandbox)).toEqual([undefined, undefined, undefined]);
  });

  it("whose sandbox is seen late has a lease that is judged by it from then on, unless a DEL came", async () => {
    const seen: (() => void)[] = [];
    const memory = createMemorySandboxes();
    const sandboxes: Sandboxes = {
      identify: (path) =>
        new Promise((resolve) => {
          seen.push(() => resolve(memory.identify(path)));
        }),
      look: (all) => memory.look(all),
    };
    const lab = await startedLab({}, { sandboxes });
    const asked = async (n: number) => {
      memory.open(pathOf(n));
      const answer = lab.running.add({ attachment: attachment(n), pod: pod(n), sandboxPath: pathOf(n) });
      await lab.clock.advance(500);
      return (await answer).address;
    };
    const first = await asked(0);
    seen[0]?.();
    await lab.clock.advance(10);
    expect(lab.store.load().leases).toMatchObject([{ address: first, sandbox: { path: pathOf(0) } }]);
    expect(lab.running.leases()).toEqual(lab.store.load().leases);
    // The container is deleted and made anew before its first sandbox was seen: that one is not this one's.
    await asked(1);
    await lab.running.remove(attachment(1));
    await lab.running.add({ attachment: attachment(1), pod: pod(1) });
    seen[1]?.();
    await lab.clock.advance(10);
    expect(lab.running.leases()[1]?.sandbox).toBeUndefined();
    memory.close(pathOf(0));
    await lab.clock.advance(GRACE_MS + 2 * MINUTE_MS);
    expect(leased(lab.running)).toEqual(["container-1"]);
  });

  it("is answered with its lease though its sandbox is seen while it is made reachable", async () => {
    const memory = createMemorySandboxes();
    let show: () => void = () => {};
    const sandboxes: Sandboxes = {
      identify: (path) =>
        new Promise((resolve) => {
          show = () => resolve(memory.identify(path));
        }),
      look: (all) => memory.look(all),
    };
    let reached: () => void = () => {};
    const ready = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const reach: Reach = {
      name: "bird",
      start: () => {},
      changed: () => {},
      ready: () => ready,
      trouble: () => undefined,
      report: () => ({ kind: "bird", announced: [], sessions: [], configuredAtMs: 0, checkedAtMs: 0 }),
      stop: async () => {},
    };
    const lab = await startedLab({}, { sandboxes, reaches: [reach] });
    memory.open(pathOf(0));
    const answer = lab.running.add({ attachment: attachment(0), pod: pod(0), sandboxPath: pathOf(0) });
    await lab.clock.advance(600);
    show();
    await lab.clock.advance(10);
    reached();
    const { address } = await answer;
    expect(lab.store.load().leases).toMatchObject([{ address, sandbox: { path: pathOf(0) } }]);
  });

  it("whose DEL or whose end of the daemon comes while its sandbox is looked at gets no lease", async () => {
    const sandboxes: Sandboxes = { identify: () => new Promise(() => {}), look: async () => [] };
    const lab = await startedLab({}, { sandboxes });
    const asked = (n: number) =>
      lab.running
        .add({ attachment: attachment(n), pod: pod(n), sandboxPath: pathOf(n) })
        .catch((error: EnidError) => error.code);
    const first = asked(0);
    await lab.running.remove(attachment(0), pod(0));
    expect(await first).toBe("ENID_NO_ADDRESS");
    const second = asked(1);
    await lab.running.stop();
    expect(await second).toBe("ENID_STOPPING");
    await lab.clock.advance(1_000);
    expect(lab.running.leases()).toEqual([]);
  });

  it("whose caller goes away while its sandbox is looked at gets no lease", async () => {
    const sandboxes: Sandboxes = { identify: () => new Promise(() => {}), look: async () => [] };
    const lab = await startedLab({}, { sandboxes });
    const caller = new AbortController();
    const answer = lab.running
      .add({ attachment: attachment(0), pod: pod(0), sandboxPath: pathOf(0) }, caller.signal)
      .catch((error: EnidError) => error);
    caller.abort();
    await lab.clock.advance(1_000);
    expect(await answer).toBeInstanceOf(EnidError);
    expect(lab.running.leases()).toEqual([]);
  });

  it("that is repeated for a sandbox made anew renews what the lease is judged by, durably", async () => {
    const lab = await orphanLab();
    const [first] = await addPods(lab, 2);
    lab.sandboxes.close(pathOf(0));
    await lab.clock.advance(2 * MINUTE_MS);
    // The container was started anew under its id, without a DEL.
    expect(await addPod(lab, 0)).toBe(first);
    const renewed = lab.store.load().leases.find(({ attachment: { containerId } }) => containerId === "container-0");
    expect(await lab.sandboxes.look([renewed?.sandbox ?? { path: "", identity: "", folder: "" }])).toEqual(["there"]);
    await lab.clock.advance(3 * GRACE_MS);
    expect(leased(lab.running)).toHaveLength(2);
    lab.sandboxes.close(pathOf(0));
    await lab.clock.advance(GRACE_MS + 2 * MINUTE_MS);
    expect(leased(lab.running)).toEqual(["container-1"]);
    expect(lab.store.load().leases).toHaveLength(1);
  });

  it("that is repeated for a sandbox made anew fails on a full disk, and the lease stays what it was", async () => {
    const lab = await orphanLab();
    const [first] = await addPods(lab, 1);
    lab.store.full = true;
    lab.sandboxes.close(pathOf(0));
    await expect(addPod(lab, 0)).rejects.toMatchObject({ code: "ENID_STATE_WRITE_FAILED" });
    lab.store.full = false;
    expect(await addPod(lab, 0)).toBe(first);
    expect(lab.running.leases()).toEqual(lab.store.load().leases);
  });
});

describe("a restart of the machine", () => {
  it("ends all leases, so that no sandbox of before is judged", async () => {
    const lab = await orphanLab();
    await addPods(lab, 2);
    await lab.running.stop();
    lab.sandboxes.clear();
    const next = lab.manager("boot-2", { sandboxes: lab.sandboxes });
    await next.start({ kind: "valid", configuration: configuration() });
    await lab.clock.advance(10_000);
    expect(next.leases()).toEqual([]);
    expect(lab.store.load().leases).toEqual([]);
    expect(names(lab, "lease-orphaned")).toEqual([]);
  });
});
