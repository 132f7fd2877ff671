import { describe, expect, it } from "vitest";
import { EnidError } from "../../src/errors.ts";
import { add, attachment, configuration, createLab, pod, range, startedLab } from "./harness.ts";

describe("a node that starts", () => {
  it("fills its buffer with one call and then rests", async () => {
    const { provider, running } = await startedLab();
    expect(provider.mutations).toEqual(["add-blocks 8"]);
    expect(running.status()).toMatchObject({ phase: "ready", ready: true, pool: { total: 8, free: 8 } });
  });

  it("serves a pod that asks before the node is known, once it is", async () => {
    const lab = createLab();
    const manager = lab.manager();
    const early = add(manager, 1);
    await manager.start({ kind: "valid", configuration: configuration() });
    await lab.clock.advance(5_000);
    expect(await early).toMatch(/^10\.0\./);
  });

  it("tells a pod that waits in vain what the daemon waits for", async () => {
    const lab = createLab();
    lab.provider.callMs = 3_600_000;
    const manager = lab.manager();
    await manager.start({ kind: "valid", configuration: configuration() });
    const waiting = add(manager, 1);
    await lab.clock.advance(21_000);
    const error = (await waiting) as EnidError;
    expect(error.code).toBe("ENID_NO_ADDRESS");
    expect(error.message).toContain("instance metadata is being read");
  });
});

describe("pods of a full m5.large", () => {
  it("reach 27 addresses with two assigns on the primary interface and one create for each further one", async () => {
    const { clock, provider, running } = await startedLab();
    const answers = range(27).map((n) => add(running, n));
    await clock.advance(5_000);
    const addresses = await Promise.all(answers);
    expect(new Set(addresses).size).toBe(27);
    expect(addresses.filter((answer) => answer instanceof EnidError)).toEqual([]);
    expect(provider.mutations).toEqual(["add-blocks 8", "add-blocks 1", "create-interface 9", "create-interface 9"]);
  });

  it("are refused at once beyond what the instance holds, with the figures and without a call", async () => {
    const { clock, provider, running } = await startedLab();
    const answers = range(27).map((n) => add(running, n));
    await clock.advance(5_000);
    await Promise.all(answers);
    const before = provider.log.length;
    const refused = add(running, 99);
    await clock.advance(1_000);
    const error = (await refused) as EnidError;
    expect(error).toMatchObject({ code: "ENID_NO_ADDRESS", entry: { cni: 11 } });
    expect(error.message).toContain("all 27 pod addresses that m5.large can hold are used (27)");
    expect(provider.log.length).toBe(before);
    expect(running.status().degraded.map(({ name }) => name)).toContain("instance-full");
  });

  it("get an address that cools down when its time comes before theirs is over", async () => {
    const { clock, running } = await startedLab({ ipam: { "cooling-seconds": 5 } });
    const answers = range(27).map((n) => add(running, n));
    await clock.advance(5_000);
    const [first] = await Promise.all(answers);
    await running.remove(attachment(0));
    const waiting = add(running, 50);
    await clock.advance(4_000);
    expect(running.status().waiting).toHaveLength(1);
    await clock.advance(2_000);
    expect(await waiting).toBe(first);
  });
});

describe("an idle node", () => {
  it("makes no mutating call in a day and at most one describe an hour", async () => {
    const { clock, provider } = await startedLab();
    const mutations = provider.mutations.length;
    const stamps: number[] = [];
    const began = provider.log.filter((line) => line === "observe cloud" || line === "resolve").length;
    let seen = began;
    for (let minute = 0; minute < 24 * 60; minute++) {
      await clock.advance(60_000);
      const now = provider.log.filter((line) => line === "observe cloud" || line === "resolve").length;
      for (let n = seen; n < now; n++) stamps.push(minute);
      seen = now;
    }
    expect(provider.mutations.length).toBe(mutations);
    expect(stamps.length).toBeGreaterThan(10);
    for (const [n, minute] of stamps.entries()) {
      const previous = stamps[n - 1];
      if (previous !== undefined) expect(minute - previous).toBeGreaterThanOrEqual(60);
    }
  });
});

describe("ADD and DEL", () => {
  it("answer a repeated ADD with the same address and forgive DEL of the unknown", async () => {
    const { running } = await startedLab();
    const first = await add(running, 1);
    expect(await add(running, 1)).toBe(first);
    await running.remove(attachment(1));
    await running.remove(attachment(1));
    await running.remove(attachment(77));
    expect(running.leases()).toEqual([]);
  });

  it("keep a released address out of use for the cooling time", async () => {
    const { clock, running } = await startedLab({ ipam: { "pre-allocate": 1, "max-allocate": 1 } });
    const first = await add(running, 1);
    await running.remove(attachment(1));
    expect(running.status().pool).toMatchObject({ cooling: 1, free: 0 });
    await clock.advance(31_000);
    expect(await add(running, 2)).toBe(first);
  });

  it("take the lease back when it cannot be made durable, and say so", async () => {
    const { running, store } = await startedLab();
    store.full = true;
    expect(await add(running, 1)).toMatchObject({ code: "ENID_STATE_WRITE_FAILED" });
    expect(running.leases()).toEqual([]);
    expect(running.status().degraded.map(({ name }) => name)).toContain("state-write-failing");
    store.full = false;
    expect(await add(running, 1)).toMatch(/^10\./);
    expect(running.status().degraded).toEqual([]);
  });

  it("serve DEL while the disk is full and make it durable, in order, once it is not", async () => {
    const { clock, running, store } = await startedLab({
      ipam: { "pre-allocate": 1, "max-allocate": 1, "cooling-seconds": 1 },
    });
    const first = await add(running, 1);
    store.full = true;
    await running.remove(attachment(1));
    await clock.advance(2_000);
    store.full = false;
    expect(await add(running, 2)).toBe(first);
    const kinds = store.log.map((change) => change.kind);
    expect(kinds.lastIndexOf("lease-end")).toBeLessThan(kinds.lastIndexOf("lease-put"));
    expect(store.load().leases.map((lease) => lease.attachment)).toEqual([attachment(2)]);
  });

  it("drop a caller that hangs up while it waits, but not another caller for the same sandbox", async () => {
    const { clock, running } = await startedLab({
      ipam: { "pre-allocate": 1, "max-allocate": 1, "cooling-seconds": 3 },
    });
    await add(running, 1);
    await running.remove(attachment(1));
    const hangUp = new AbortController();
    const first = running
      .add({ attachment: attachment(2), pod: pod(2) }, hangUp.signal)
      .catch((error: EnidError) => error);
    const second = add(running, 2);
    hangUp.abort();
    await clock.advance(4_000);
    expect(await second).toMatch(/^10\./);
    await first;
  });

  it("reject what waits when the daemon stops", async () => {
    const { clock, running } = await startedLab({ ipam: { "pre-allocate": 1, "max-allocate": 1 } });
    await add(running, 1);
    await running.remove(attachment(1));
    const waiting = add(running, 2);
    await clock.drain();
    const stopped = running.stop(100);
    await clock.advance(2_000);
    await stopped;
    expect(await waiting).toMatchObject({ code: "ENID_STOPPING" });
    expect(await add(running, 3)).toMatchObject({ code: "ENID_STOPPING" });
  });
});

describe("explain", () => {
  it("says why a pod has its address, why an address cools, and why a pod has none", async () => {
    const { clock, running } = await startedLab({ ipam: { "pre-allocate": 1, "max-allocate": 1 } });
    const address = (await add(running, 1)) as string;
    expect(running.explain("shop/web-1").answer).toBe(`shop/web-1 has ${address}`);
    expect(running.explain(address).because.join("\n")).toContain('subnet-tags {"pods":"true"}');
    await running.remove(attachment(1));
    expect(running.explain(address).answer).toBe(`${address} is cooling`);
    const waiting = add(running, 2);
    await clock.advance(500);
    expect(running.explain("web-2").because.join("\n")).toContain("max-allocate 1 is reached");
    await clock.advance(31_000);
    await waiting;
    expect(() => running.explain("nobody")).toThrow(expect.objectContaining({ code: "ENID_NOTHING_KNOWN" }));
  });
});

describe("pods that come one after the other", () => {
  it.each([5, 20, 60, 150, 400])(
    "every %i ms all reach the 27 addresses of an m5.large, and no interface is made in vain",
    async (gapMs) => {
      const { clock, provider, running } = await startedLab();
      const answers: Promise<string | EnidError>[] = [];
      for (const n of range(27)) {
        answers.push(add(running, n));
        await clock.advance(gapMs);
      }
      await clock.advance(5_000);
      const addresses = await Promise.all(answers);
      expect(addresses.filter((answer) => answer instanceof EnidError)).toEqual([]);
      expect(new Set(addresses).size).toBe(27);
      expect(provider.mutations.filter((call) => call.startsWith("create-interface"))).toHaveLength(2);
    },
  );
});
