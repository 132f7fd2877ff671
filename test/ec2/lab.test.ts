import { afterEach, describe, expect, it } from "vitest";
import type { LoggedCall } from "../../src/simulator/index.ts";
import { PRIMARY, ZONE } from "./cloud.ts";
import { Lab } from "./lab.ts";

let lab: Lab;
afterEach(() => lab.close());

const told = (call: LoggedCall) => [call.atMs, call.action, call.code, JSON.stringify(call.parameters)];

/** What somebody else does to the node's interfaces. */
const meddle = (action: string, parameters: Record<string, string | readonly string[]>) =>
  lab.cloud.call(action, parameters, { caller: "foreign" });

describe("the laboratory", () => {
  it("repeats a life to the millisecond", async () => {
    const runs: unknown[] = [];
    for (let run = 0; run < 2; run++) {
      lab = await Lab.open({ seed: 7 });
      lab.cloud.faults.add({ action: "*", effect: { kind: "lost-reply" }, probability: 0.2 });
      await lab.pods.add(20);
      await lab.advance(600_000);
      await lab.restart();
      await lab.advance(600_000);
      runs.push([lab.calls().map(told), lab.events.map(({ atMs, message }) => [atMs, message])]);
      if (run === 0) await lab.close();
    }
    expect(runs[0]).toEqual(runs[1]);
    expect(lab.calls().length).toBeGreaterThan(10);
  });

  it("takes a second or so for many hours", async () => {
    lab = await Lab.open();
    const startedAtMs = performance.now();
    await lab.advance(8 * 3_600_000);
    expect(performance.now() - startedAtMs).toBeLessThan(10_000);
  });

  it("finds an address that the pool does not know", async () => {
    lab = await Lab.open();
    lab.agree();
    meddle("AssignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: "1" });
    expect(() => lab.agree()).toThrow(/is leaked: the pool does not know it/);
  });

  it("finds an address that EC2 has taken away, and the pod that ran with it", async () => {
    lab = await Lab.open();
    await lab.pods.run(1);
    const [address = ""] = lab.pods.running.values();
    meddle("UnassignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, PrivateIpAddress: [address] });
    expect(() => lab.agree()).toThrow(/is in the pool, and EC2 has it on no interface/);
    expect(() => lab.agree()).toThrow(/which EC2 has taken from the instance/);
  });

  it("finds an interface that a dead daemon left behind", async () => {
    lab = await Lab.open();
    lab.meddling = (_, action) => {
      if (action === "AttachNetworkInterface") lab.crash();
      return action === "AttachNetworkInterface" ? { kind: "reset" } : undefined;
    };
    const pods = lab.pods.add(12, () => !lab.isRunning);
    await pods;
    lab.meddling = undefined;
    expect(lab.cloud.truth().orphans.length).toBe(1);
    await lab.restart();
    expect(() => lab.agree()).toThrow(/hangs on nothing|is still open/);
    await lab.quiet();
    lab.agree();
  });

  it("lets what a dead daemon has sent happen, and tells it nothing", async () => {
    lab = await Lab.open();
    lab.meddling = () => {
      lab.crash();
      return undefined;
    };
    await lab.pods.add(12, () => !lab.isRunning);
    lab.meddling = undefined;
    const before = lab.mutations().length;
    await lab.advance(60_000);
    const after = lab.mutations().slice(before);
    expect(after.map(({ hadEffect }) => hadEffect)).toEqual([true]);
    await lab.restart();
    await lab.quiet();
    lab.agree();
  });

  it("knows the zone that its subnets are in", async () => {
    lab = await Lab.open();
    expect(lab.manager.status().node?.availabilityZone).toBe(ZONE);
  });
});
