import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { afterAll, expect, it } from "vitest";
import type { LabPod } from "../../scripts/lab/plugin.ts";
import { describeAsRoot } from "../support/root.ts";
import { nodeLab } from "./node-lab.ts";

const ip = (...args: string[]) => execFileSync("ip", args, { stdio: "pipe" });

describeAsRoot("a real daemon whose runtime loses DELs", () => {
  // The plugin is called with /var/run/netns/<container id>.
  const pods = ["web-0", "web-1"].map((name): LabPod => {
    return { containerId: randomBytes(24).toString("hex"), namespace: "shop", name, uid: `uid-${name}` };
  });

  afterAll(() => {
    for (const { containerId } of pods) {
      try {
        ip("netns", "del", containerId);
      } catch {
        // Deleted by the test.
      }
    }
  });

  it("ends the lease of a network namespace that is gone, keeps the other one, and says so", async () => {
    const lab = await nodeLab({ instanceType: "m5.large", ipam: { "orphan-grace-seconds": 1 } });
    await lab.start();
    for (const { containerId } of pods) ip("netns", "add", containerId);
    const [gone = "", kept = ""] = await Promise.all(
      pods.map(async (pod) => (await lab.plugin("ADD", pod)).address ?? "no address"),
    );
    // A daemon that starts looks at once, also at the leases of the one before it.
    await lab.daemon.kill();
    ip("netns", "del", pods[0]?.containerId ?? "");
    lab.daemon.start();
    const status = await lab.until(({ orphans }) => orphans?.released === 1);
    expect([status.pool.leased, status.orphans?.leases]).toEqual([1, []]);
    expect(await lab.enid("status")).toMatch(/orphans +1 lease ended without a DEL since the start/);
    expect(await lab.enid("explain", gone)).toContain("no DEL came and its sandbox is gone since 20");
    expect(await lab.enid("explain", kept)).toContain("is leased to shop/web-1");
    // The DEL that comes late all the same succeeds, and frees nothing of anybody.
    for (const pod of pods.slice(0, 1)) expect((await lab.plugin("DEL", pod)).exitCode).toBe(0);
    expect((await lab.until(() => true)).pool.leased).toBe(1);
  }, 120_000);
});
