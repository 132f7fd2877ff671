import { describe, expect, it } from "vitest";
import { KubeletLab, pod } from "./kubelet-lab.ts";

const MINUTE_MS = 60_000;

describe("the network namespace of a simulated sandbox", () => {
  it("is there from before its ADD until its DEL has succeeded", async () => {
    const lab = new KubeletLab();
    await lab.startDaemon();
    lab.kubelet.run(pod("a"));
    expect(lab.sandboxes.paths.size).toBe(1);
    await lab.advance(1_000);
    expect([...lab.sandboxes.paths]).toEqual([lab.sandboxOf("uid-a")?.netns]);
    lab.kubelet.stop("uid-a");
    await lab.advance(5_000);
    expect([lab.sandboxes.paths.size, lab.leasedPods().length]).toEqual([0, 0]);
  });

  it("goes with a sandbox that got no address, and the next one has another", async () => {
    const lab = new KubeletLab(1, { ipam: { "pre-allocate": 0, "add-wait-seconds": 1 } });
    lab.provider.callMs = 600_000;
    await lab.startDaemon();
    lab.kubelet.run(pod("a"));
    const seen = new Set<string>();
    for (let second = 0; second < 60; second++) {
      expect(lab.sandboxes.paths.size).toBeLessThanOrEqual(1);
      for (const path of lab.sandboxes.paths) seen.add(path);
      await lab.advance(1_000);
    }
    expect(seen.size).toBeGreaterThan(2);
    lab.kubelet.stop("uid-a");
    await lab.advance(20_000);
    expect(lab.sandboxes.paths.size).toBe(0);
  });

  it("goes when the pod is stopped before its ADD, with the boot, and with the machine", async () => {
    const lab = new KubeletLab();
    await lab.startDaemon();
    lab.kubelet.run(pod("a"));
    lab.kubelet.stop("uid-a");
    expect(lab.sandboxes.paths.size).toBe(0);
    lab.kubelet.run(pod("b"));
    await lab.advance(1_000);
    const [before] = lab.sandboxes.paths;
    lab.reboot(10_000);
    expect(lab.sandboxes.paths.size).toBe(0);
    await lab.advance(10_000);
    await lab.startDaemon();
    await lab.advance(60_000);
    expect(lab.sandboxes.paths.size).toBe(1);
    expect(lab.sandboxes.paths).not.toContain(before);
    lab.kubelet.replace();
    expect(lab.sandboxes.paths.size).toBe(0);
  });
});

describe("GC of a simulated runtime", () => {
  it("comes again and again, names what it knows, and ends what it has forgotten", async () => {
    const habits = { repeat: 0, check: 0, status: 0, collectEveryMs: 2 * MINUTE_MS };
    const lab = new KubeletLab(1, { ipam: { "orphan-grace-seconds": 0 } }, { habits });
    await lab.startDaemon();
    for (const name of ["a", "b"]) lab.kubelet.run(pod(name));
    await lab.advance(1_000);
    lab.kubelet.faults.missing(1);
    lab.kubelet.stop("uid-a");
    await lab.advance(20 * MINUTE_MS);
    const collections = lab.answers.filter(({ verb }) => verb === "gc");
    expect(collections.length).toBeGreaterThan(5);
    expect(new Set(collections.map(({ answer }) => answer.body))).toEqual(new Set([""]));
    expect(lab.kubelet.counts.collections).toBe(collections.length);
    expect(lab.leasedPods()).toEqual(["uid-b"]);
  });

  it("is not sent by runtimes that have none of it", async () => {
    const lab = new KubeletLab();
    await lab.startDaemon();
    lab.kubelet.run(pod("a"));
    await lab.advance(300 * MINUTE_MS);
    expect(lab.kubelet.counts.collections).toBe(0);
  });
});
