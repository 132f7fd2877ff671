import { describe, expect, it } from "vitest";
import { readConfiguration } from "../../src/configuration/index.ts";
import { EnidError } from "../../src/errors.ts";
import { PRIMARY, SUBNET_A } from "../support/fake-provider.ts";
import { add, attachment, configuration, createLab, FILE, range, startedLab } from "./harness.ts";

const UNKNOWN = { class: "transient", ec2Code: "TimeoutError", effect: "unknown" } as const;

describe("restarts", () => {
  it("serve acknowledged leases at once from the state, before the cloud answers", async () => {
    const lab = await startedLab();
    const before = await Promise.all(range(5).map((n) => add(lab.running, n)));
    lab.provider.callMs = 3_600_000; // The cloud does not answer any more.
    const again = lab.manager();
    await again.start({ kind: "valid", configuration: configuration() });
    expect(await Promise.all(range(5).map((n) => add(again, n)))).toEqual(before);
    expect(await add(again, 100)).toMatch(/^10\./);
    expect(again.status().ready).toBe(true);
  });

  it("end all leases after a reboot and serve nothing before the node is known", async () => {
    const lab = await startedLab();
    await Promise.all(range(3).map((n) => add(lab.running, n)));
    const again = lab.manager("boot-2");
    await again.start({ kind: "valid", configuration: configuration() });
    expect(again.leases()).toEqual([]);
    expect(again.notReady()).toMatchObject({ code: "ENID_STARTING" });
    await lab.clock.advance(3_000);
    expect(await add(again, 50)).toMatch(/^10\./);
  });

  it("forget another instance's addresses when the disk moved", async () => {
    const lab = await startedLab();
    await add(lab.running, 1);
    lab.provider.facts = { ...lab.provider.facts, instanceId: "i-2" };
    lab.provider.interfaces.get(PRIMARY)?.addresses.splice(0);
    const again = lab.manager("boot-2");
    await again.start({ kind: "valid", configuration: configuration() });
    await lab.clock.advance(5_000);
    expect(again.status().pool).toMatchObject({ total: 8, leased: 0 });
    expect(lab.events.map(({ name }) => name)).toContain("instance-replaced");
  });

  it("serve nothing of another instance's state, not even when the first daemon of the boot died before it knew", async () => {
    const lab = await startedLab();
    lab.provider.facts = { ...lab.provider.facts, instanceId: "i-2" };
    lab.provider.interfaces.get(PRIMARY)?.addresses.splice(0);
    lab.provider.callMs = 3_600_000;
    for (let life = 0; life < 2; life++) {
      const again = lab.manager("boot-2");
      await again.start({ kind: "valid", configuration: configuration() });
      void add(again, 1);
      await lab.clock.advance(1_000);
      expect(again.leases()).toEqual([]);
    }
  });

  it("begin after a reboot on a full disk, and end the old leases once it takes that", async () => {
    const lab = await startedLab();
    await add(lab.running, 1);
    lab.store.full = true;
    const again = lab.manager("boot-2");
    await again.start({ kind: "valid", configuration: configuration() });
    await lab.clock.advance(5_000);
    expect(again.leases()).toEqual([]);
    expect(again.notReady()?.message).toContain("the disk is full");
    lab.store.full = false;
    await lab.clock.advance(60_000);
    expect(lab.store.load()).toMatchObject({ bootId: "boot-2", leases: [] });
    expect(await add(again, 2)).toMatch(/^10\./);
  });

  it("keep cooling addresses cool", async () => {
    const lab = await startedLab({ ipam: { "pre-allocate": 1, "max-allocate": 1 } });
    await add(lab.running, 1);
    await lab.running.remove(attachment(1));
    const again = lab.manager();
    await again.start({
      kind: "valid",
      configuration: configuration({ ipam: { "pre-allocate": 1, "max-allocate": 1 } }),
    });
    expect(again.status().pool).toMatchObject({ cooling: 1, free: 0 });
  });
});

describe("settings", () => {
  it("survive a restart with a broken or missing file, which is reported", async () => {
    const lab = await startedLab({ ipam: { "min-allocate": 5, "pre-allocate": 0 } });
    await lab.running.setOverride("max-above-watermark=3");
    for (const kind of ["invalid", "missing"] as const) {
      const again = lab.manager();
      await again.start({ kind, error: new EnidError("ENID_CONFIG_UNREADABLE", { file: FILE, detail: "gone" }) });
      const { settings, configuration: report, degraded } = again.status();
      expect(settings.values).toMatchObject({ "min-allocate": 5, "pre-allocate": 0, "max-above-watermark": 3 });
      expect(report.source).toBe("last-valid");
      expect(degraded.map(({ name }) => name)).toEqual([
        kind === "invalid" ? "configuration-rejected" : "configuration-missing",
      ]);
      await again.stop(0);
    }
  });

  it("are never made up when neither the file nor the state has them", async () => {
    const lab = createLab();
    const error = new EnidError("ENID_CONFIG_MISSING", { file: FILE });
    await expect(lab.manager().start({ kind: "missing", error })).rejects.toMatchObject({
      code: "ENID_CONFIG_MISSING",
    });
  });

  it("that ask for ranges of the node's own are refused with the place, at the start and later", async () => {
    const text = JSON.stringify({
      cniVersion: "1.0.0",
      name: "pods",
      type: "cilium-cni",
      ipam: { podCIDRs: ["10.9.0.0/24"] },
    });
    const onPremises = readConfiguration(new TextEncoder().encode(text), FILE);
    const refused = createLab().manager().start({ kind: "valid", configuration: onPremises });
    await expect(refused).rejects.toThrow(
      /podCIDRs 10\.9\.0\.0\/24 \(file .*serves addresses of EC2; that changes when/,
    );
    const { running } = await startedLab();
    await running.offerConfiguration({ kind: "valid", configuration: onPremises });
    expect(running.status().degraded.map(({ name }) => name)).toEqual(["configuration-rejected"]);
    expect(running.status().settings.values["pre-allocate"]).toBe(8);
  });

  it("change while running, by file and by override, and the override wins until it is unset", async () => {
    const { clock, provider, running } = await startedLab();
    await running.setOverride("pre-allocate=2");
    await running.offerConfiguration({ kind: "valid", configuration: configuration({ ipam: { "pre-allocate": 9 } }) });
    await clock.advance(1_000);
    expect(running.status().watermarks.preAllocate).toBe(2);
    expect(provider.mutations).toEqual(["add-blocks 8"]);
    await running.unsetOverride("pre-allocate");
    await clock.advance(1_000);
    expect(provider.mutations).toEqual(["add-blocks 8", "add-blocks 1"]);
  });

  it("that are refused change nothing", async () => {
    const { running } = await startedLab();
    await expect(running.setOverride("pre-alocate=2")).rejects.toMatchObject({ code: "ENID_SETTING_UNKNOWN" });
    await expect(running.setOverride("pre-allocate=-2")).rejects.toMatchObject({ code: "ENID_SETTING_INVALID" });
    expect(running.status().settings.values["pre-allocate"]).toBe(8);
  });

  it("stop an interface from carrying new pods when its subnet is no longer allowed; leases stay", async () => {
    const { clock, provider, running } = await startedLab();
    const address = await add(running, 1);
    provider.allowed = ["subnet-b"];
    await running.offerConfiguration({
      kind: "valid",
      configuration: configuration({ eni: { "subnet-tags": { other: "1" } } }),
    });
    await clock.advance(5_000);
    expect(running.lookup(attachment(1))?.address).toBe(address);
    const primary = running.status().interfaces.find(({ id }) => id === PRIMARY);
    expect(primary).toMatchObject({
      usable: false,
      unusableBecause: `subnet ${SUBNET_A} is not among the allowed ones`,
    });
    await add(running, 2);
    expect(running.explain("web-2").leases[0]?.subnetId).toBe("subnet-b");
  });
});

describe("the cloud fails", () => {
  it("without effect: the step is planned again after a pause, and nothing is open", async () => {
    const lab = createLab();
    lab.provider.fail("add-blocks", { class: "throttled", ec2Code: "RequestLimitExceeded", effect: "none" });
    const running = lab.manager();
    await running.start({ kind: "valid", configuration: configuration() });
    await lab.clock.advance(1_500);
    expect(running.status().degraded.map(({ name }) => name)).toEqual(["ec2-throttled"]);
    expect(running.status().intents).toEqual([]);
    await lab.clock.advance(5_000);
    expect(running.status()).toMatchObject({ ready: true, degraded: [], pool: { total: 8 } });
  });

  it("after the effect: what came is adopted, and nothing is taken twice", async () => {
    const lab = createLab();
    lab.provider.fail("add-blocks", UNKNOWN, true);
    const running = lab.manager();
    await running.start({ kind: "valid", configuration: configuration() });
    await lab.clock.advance(10_000);
    expect(running.status()).toMatchObject({ ready: true, pool: { total: 8 }, intents: [] });
    expect(lab.provider.interfaces.get(PRIMARY)?.addresses).toHaveLength(8);
  });

  it("a crash in the middle of a create is finished by the next process", async () => {
    const atOnce = { eni: { "start-jitter-seconds": 0 } };
    const lab = await startedLab(atOnce);
    const waiting = range(12).map((n) => add(lab.running, n));
    // The create is committed and its interface made, but not attached: then the process is gone.
    await lab.clock.advance(500);
    expect([...lab.provider.interfaces.values()].filter((entry) => !entry.attached)).toHaveLength(1);
    void lab.running.stop(0);
    const again = lab.manager();
    await again.start({ kind: "valid", configuration: configuration(atOnce) });
    await lab.clock.advance(10_000);
    expect([...lab.provider.interfaces.values()].every((entry) => entry.attached)).toBe(true);
    expect(again.status().intents).toEqual([]);
    const held = again.status().pool.total;
    const truth = [...lab.provider.interfaces.values()].reduce((sum, entry) => sum + entry.addresses.length, 0);
    expect(held).toBe(truth);
    void Promise.allSettled(waiting);
  });

  it("a subnet without room is left alone for a while and named to the pod", async () => {
    const { clock, provider, running } = await startedLab();
    const exhausted = {
      class: "subnet-exhausted",
      ec2Code: "InsufficientFreeAddressesInSubnet",
      effect: "none",
    } as const;
    for (let n = 0; n < 20; n++) {
      provider.fail("add-blocks", { ...exhausted, subnetId: "subnet-a" });
      provider.fail("create-interface", exhausted);
    }
    await Promise.all(range(8).map((n) => add(running, n)));
    await clock.advance(10_000);
    const status = running.status();
    expect(status.degraded.map(({ name }) => name)).toContain("subnet-exhausted");
    expect(status.subnets.every(({ blockedUntilMs }) => blockedUntilMs > 0)).toBe(true);
  });
});

describe("observations", () => {
  it("never end a lease: what EC2 denies twice is kept, closed for others and shown", async () => {
    const { clock, provider, running } = await startedLab();
    const address = (await add(running, 1)) as string;
    const primary = provider.interfaces.get(PRIMARY);
    if (primary === undefined) throw new Error("no primary");
    primary.addresses = primary.addresses.filter((other) => other !== address);
    await clock.advance(10 * 60_000);
    expect(running.lookup(attachment(1))?.address).toBe(address);
    expect(running.status().degraded.map(({ name }) => name)).toEqual(["address-denied"]);
    primary.addresses.push(address);
    await clock.advance(3 * 3_600_000);
    expect(running.status().degraded).toEqual([]);
  });

  it("drop a free address that EC2 denies twice, and the plan replaces it", async () => {
    const { clock, provider, running } = await startedLab();
    provider.interfaces.get(PRIMARY)?.addresses.pop();
    await clock.advance(10 * 60_000);
    expect(running.status().pool.total).toBe(8);
    expect(provider.mutations).toEqual(["add-blocks 8", "add-blocks 1"]);
  });

  it("adopt addresses that somebody else put on an interface", async () => {
    const { clock, provider, running } = await startedLab();
    provider.interfaces.get(PRIMARY)?.addresses.push("10.0.9.9");
    await clock.advance(3 * 3_600_000);
    expect(running.explain("10.0.9.9").answer).toBe("10.0.9.9 is free");
  });

  it("remove an interface that leaked, once EC2 showed it twice, and no other", async () => {
    const { clock, provider } = await startedLab();
    provider.interfaces.set("eni-leaked", {
      id: "eni-leaked",
      deviceIndex: -1,
      subnetId: SUBNET_A,
      addresses: ["10.0.9.1"],
      attached: false,
      intentId: "lost",
    });
    await clock.advance(3 * 3_600_000);
    expect([...provider.interfaces.keys()]).toEqual([PRIMARY]);
  });
});
