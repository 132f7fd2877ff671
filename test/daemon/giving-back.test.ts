import { describe, expect, it } from "vitest";
import { labPods } from "../../scripts/lab/plugin.ts";
import type { LoggedCall } from "../../src/simulator/index.ts";
import { nodeLab, PRIMARY } from "./node-lab.ts";

const MIN_ALLOCATE = 8;
const SHORT = { "min-allocate": MIN_ALLOCATE, "pre-allocate": 8, "release-delay-seconds": 1 };

describe("a real daemon on an m5.large whose pods come and go", () => {
  it("goes 0 -> 27 -> 0 and gives everything beyond min-allocate back, in one call an interface or two", async () => {
    const lab = await nodeLab({ instanceType: "m5.large", eni: { "interface-idle-seconds": 1 }, ipam: SHORT });
    const ready = await lab.start();
    expect([ready.pool.total, ready.interfaces.length]).toEqual([MIN_ALLOCATE, 1]);

    const pods = labPods(27);
    const added = await lab.burst("ADD", pods);
    expect(added.flatMap(({ error }) => error ?? [])).toEqual([]);
    expect(new Set(added.map(({ address }) => address)).size).toBe(27);
    const full = await lab.until(({ pool, intents }) => pool.leased === 27 && intents.length === 0);
    expect([full.pool.total, full.interfaces.length]).toEqual([27, 3]);
    const grown = lab.lastCall();

    const deleted = await lab.burst("DEL", pods);
    expect(deleted.map(({ exitCode }) => exitCode)).toEqual(pods.map(() => 0));
    const small = await lab.until(
      ({ pool, interfaces, intents }) =>
        pool.total === MIN_ALLOCATE && interfaces.length === 1 && intents.length === 0 && pool.cooling === 0,
    );
    expect(small.givenBack).toEqual({ addresses: 27 - MIN_ALLOCATE, interfaces: 2 });
    expect(small.degraded).toEqual([]);
    const { interfaces, orphans } = lab.simulator.cloud.truth();
    expect(interfaces.map(({ id, secondaryAddresses }) => [id, secondaryAddresses.length])).toEqual([
      [PRIMARY, MIN_ALLOCATE],
    ]);
    expect(orphans).toEqual([]);
    expect(tally(lab.mutations(grown))).toEqual({
      DeleteNetworkInterface: 2,
      DetachNetworkInterface: 2,
      UnassignPrivateIpAddresses: 1,
    });
    expect(await lab.enid("plan")).toMatch(/^nothing to do\n/);
    expect(await lab.enid("status")).toMatch(/given back +19 addresses, 2 interfaces since the start/);
  }, 180_000);

  it("shows in status and explain what is being given back, and gives it to no pod meanwhile", async () => {
    const lab = await nodeLab({ instanceType: "m5.large", ipam: SHORT });
    await lab.start();
    // More than half of the buffer, so that it is filled again at once.
    const pods = labPods(6);
    const added = await lab.burst("ADD", pods);
    expect(added.flatMap(({ error }) => error ?? [])).toEqual([]);
    await lab.until(({ pool, intents }) => pool.total === 14 && intents.length === 0);
    // The answer takes its time, so that there is something to look at.
    lab.simulator.cloud.faults.add({
      action: "UnassignPrivateIpAddresses",
      effect: { kind: "hang", moment: "before" },
    });
    await lab.burst("DEL", pods);
    const status = await lab.until(({ pool }) => pool.releasing > 0);
    expect(status.pool.releasing).toBeLessThanOrEqual(14 - MIN_ALLOCATE);
    expect(status.intents.map(({ kind, target, state }) => [kind, state, target])).toEqual([
      ["release-blocks", "running", PRIMARY],
    ]);
    expect(await lab.enid("status")).toMatch(/^release-blocks +eni-\w+ +\d+ +running /m);

    const call = lab.mutations().findLast(({ action }) => action === "UnassignPrivateIpAddresses");
    const [address = ""] = [call?.parameters.PrivateIpAddress].flat().map(String);
    const text = await lab.enid("explain", address);
    expect(text.split("\n")[0]).toBe(`${address} is releasing`);
    expect(text).toContain("it is being given back to EC2, so no pod gets it");
    // As many pods as are free, and one more: that one waits for a new address.
    const more = await lab.burst("ADD", labPods(status.pool.total - status.pool.releasing + 1, 50));
    expect(more.flatMap(({ error }) => error ?? [])).toEqual([]);
    expect(more.flatMap((answer) => answer.addresses)).not.toContain(address);
  }, 180_000);
});

function tally(calls: readonly LoggedCall[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { action } of calls) counts[action] = (counts[action] ?? 0) + 1;
  return counts;
}
