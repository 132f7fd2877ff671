import { describe, expect, it } from "vitest";
import { PRIMARY } from "../support/fake-provider.ts";
import { add, attachment, configuration, createLab, range, startedLab } from "./harness.ts";

const OTHER = configuration({ eni: { "subnet-tags": { other: "1" } } });

describe("settings that change at the same time", () => {
  it("are both in force, in the daemon as in the state", async () => {
    const lab = await startedLab();
    const file = configuration({ ipam: { "pre-allocate": 5, "max-above-watermark": 2 } });
    await Promise.all([
      lab.running.setOverride("min-allocate=3"),
      lab.running.setOverride("cooling-seconds=7"),
      lab.running.offerConfiguration({ kind: "valid", configuration: file }),
      lab.running.setOverride("add-wait-seconds=9"),
      lab.running.unsetOverride("cooling-seconds"),
    ]);
    const wanted = {
      "min-allocate": 3,
      "cooling-seconds": 30,
      "add-wait-seconds": 9,
      "pre-allocate": 5,
      "max-above-watermark": 2,
    };
    expect(lab.running.status().settings.values).toMatchObject(wanted);
    const again = lab.manager();
    await again.start({ kind: "none" });
    expect(again.status().settings.values).toMatchObject(wanted);
  });

  it("are refused when they contradict each other, whichever comes first", async () => {
    const { running } = await startedLab();
    const outcomes = await Promise.allSettled([
      running.setOverride("min-allocate=12"),
      running.setOverride("max-allocate=10"),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(running.status().settings.values).toMatchObject({ "min-allocate": 12, "max-allocate": 0 });
  });

  it("show their new origin when only that changed", async () => {
    const { running } = await startedLab({ ipam: { "min-allocate": 0 } });
    expect(running.status().settings.origins["max-allocate"].kind).toBe("default");
    const file = configuration({ ipam: { "min-allocate": 0, "max-allocate": 0 } });
    await running.offerConfiguration({ kind: "valid", configuration: file });
    expect(running.status().settings.origins["max-allocate"].kind).toBe("file");
  });

  it("do not let an answer about the selection before hold up the new one", async () => {
    const { clock, provider, running } = await startedLab();
    provider.callMs = 2_000;
    const failure = { class: "unauthorized", ec2Code: "UnauthorizedOperation", effect: "none" } as const;
    provider.fail("resolve", failure);
    await running.offerConfiguration({ kind: "valid", configuration: OTHER });
    await clock.advance(1_000);
    await running.offerConfiguration({ kind: "valid", configuration: configuration() });
    await clock.advance(3_500);
    expect(running.status().subnets).toHaveLength(2);
  });
});

describe("an interface that becomes usable", () => {
  it("is observed before anything is added to it", async () => {
    const lab = createLab();
    const primary = lab.provider.interfaces.get(PRIMARY);
    primary?.addresses.push(...range(7).map((n) => `10.0.9.${n}`));
    const running = lab.manager();
    const file = configuration({ eni: { "first-interface-index": 1 }, ipam: { "pre-allocate": 2 } });
    await running.start({ kind: "valid", configuration: file });
    await lab.clock.advance(5_000);
    expect(running.status().pool.total).toBe(2);
    await running.setOverride("first-interface-index=0");
    await running.setOverride("pre-allocate=12");
    await lab.clock.advance(10_000);
    expect(running.status().pool).toMatchObject({ total: 12 });
    expect(primary?.addresses.length).toBeLessThanOrEqual(9);
    expect(lab.provider.mutations).not.toContain("add-blocks 9");
  });
});

describe("a warm start", () => {
  it("serves from what the settings allowed when the subnets were looked up last", async () => {
    const lab = await startedLab();
    lab.provider.callMs = 3_600_000;
    const again = lab.manager();
    await again.start({ kind: "valid", configuration: configuration() });
    expect(await add(again, 1)).toMatch(/^10\./);
  });

  it("gives nothing out of a subnet that an earlier selection allowed", async () => {
    const lab = await startedLab();
    const address = await add(lab.running, 1);
    lab.provider.allowed = ["subnet-b"];
    await lab.running.offerConfiguration({ kind: "valid", configuration: OTHER });
    await lab.clock.advance(10_000);
    lab.provider.callMs = 3_600_000;
    const again = lab.manager();
    await again.start({ kind: "valid", configuration: OTHER });
    expect(again.lookup(attachment(1))?.address).toBe(address);
    for (const n of range(8, 10)) void add(again, n);
    await lab.clock.advance(100);
    const used = again.leases().map((lease) => again.explain(lease.address).address?.subnetId);
    expect(used.slice(1).every((subnet) => subnet === "subnet-b")).toBe(true);
  });

  it("gives nothing before the subnets are looked up when the selection changed just before the crash", async () => {
    const lab = await startedLab();
    lab.provider.callMs = 3_600_000;
    await lab.running.offerConfiguration({ kind: "valid", configuration: OTHER });
    const again = lab.manager();
    await again.start({ kind: "valid", configuration: OTHER });
    void add(again, 1);
    await lab.clock.advance(1_000);
    expect(again.leases()).toEqual([]);
  });

  it("gives nothing before the subnets are looked up when the selection was overridden in the state meanwhile", async () => {
    const lab = await startedLab();
    lab.provider.callMs = 3_600_000;
    const value = { other: "1" };
    await lab.store.commit([{ kind: "override-put", name: "subnet-tags", value, setAtMs: lab.clock.nowMs() }]);
    const again = lab.manager();
    await again.start({ kind: "valid", configuration: configuration() });
    void add(again, 1);
    await lab.clock.advance(1_000);
    expect(again.leases()).toEqual([]);
  });

  it("serves without a file as well", async () => {
    const lab = createLab();
    const first = lab.manager();
    await first.start({ kind: "none" });
    await lab.clock.advance(3_000);
    lab.provider.callMs = 3_600_000;
    const again = lab.manager();
    await again.start({ kind: "none" });
    expect(await add(again, 1)).toMatch(/^10\./);
  });
});
