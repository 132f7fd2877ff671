import { describe, expect, it } from "vitest";
import { labPods } from "../../scripts/lab/plugin.ts";
import { nodeLab, PRIMARY } from "./node-lab.ts";

describe("a real daemon whose pod's address a foreign hand took", () => {
  it("keeps the lease, gives the address to nobody, and says so in status and explain", async () => {
    const lab = await nodeLab({ instanceType: "m5.large", ipam: { "pre-allocate": 2 }, speed: 50 });
    await lab.start();
    const [pod, other] = labPods(2);
    if (pod === undefined || other === undefined) throw new Error("no pods");
    const { address = "" } = await lab.plugin("ADD", pod);
    await lab.until(({ watermarks, intents }) => watermarks.needed === 0 && intents.length === 0);
    lab.simulator.cloud.foreignCall("UnassignPrivateIpAddresses", {
      NetworkInterfaceId: PRIMARY,
      PrivateIpAddress: [address],
    });
    // After a start a denial counts once it cannot lag what the process before did, and half a minute later again.
    expect(await lab.daemon.stop()).toBe(0);
    lab.daemon.start();
    const status = await lab.until(({ lost }) => lost !== undefined && lost.length > 0, 150_000);
    expect(status.lost?.map((one) => [one.address, one.pod.name])).toEqual([[address, pod.name]]);
    expect(status.degraded.map(({ name }) => name)).toEqual(["address-denied"]);

    const text = await lab.enid("status");
    expect(text).toContain("LOST: EC2 denies 1 leased address");
    expect(text).toMatch(new RegExp(`^ +${address} +shop/${pod.name} +for `, "m"));
    const explained = await lab.enid("explain", address);
    expect(explained.split("\n")[0]).toBe(`${address} is leased to shop/${pod.name}`);
    expect(explained).toContain("it is lost: EC2 says since ");
    // The pod has it still, and nobody else gets it, before its DEL and after.
    expect((await lab.plugin("ADD", pod)).address).toBe(address);
    expect((await lab.plugin("DEL", pod)).exitCode).toBe(0);
    const after = await lab.until(({ lost = [], pool }) => lost.length === 0 && pool.leased === 0);
    expect(after.degraded.map(({ name }) => name)).not.toContain("invariant-broken");
    const next = await lab.burst("ADD", labPods(4, 10));
    expect(next.flatMap(({ error }) => error ?? [])).toEqual([]);
    expect(next.flatMap(({ addresses }) => addresses)).not.toContain(address);
  }, 300_000);
});
