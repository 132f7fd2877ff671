import { describe, expect, it } from "vitest";
import { runCli } from "../../scripts/lab/daemon.ts";
import { labPods } from "../../scripts/lab/plugin.ts";
import { nodeLab, POD_SUBNET, PRIMARY } from "./node-lab.ts";

describe("a real daemon on an m5.4xlarge with prefixes", () => {
  it("gives 110 pods that come at once their addresses with at most two mutating calls", async () => {
    const lab = await nodeLab({ instanceType: "m5.4xlarge", eni: { "prefix-delegation": "required" }, speed: 1 });
    await lab.start();
    const before = lab.lastCall();
    const pods = labPods(110);
    const answers = await lab.burst("ADD", pods);
    expect(answers.flatMap(({ error }) => error ?? [])).toEqual([]);
    expect(new Set(answers.map(({ address }) => address)).size).toBe(110);
    await lab.until(({ intents, watermarks }) => intents.length === 0 && watermarks.needed === 0);
    const burst = lab.mutations(before).map(({ action }) => action);
    expect(burst.length).toBeGreaterThan(0);
    expect(burst.length, burst.join()).toBeLessThanOrEqual(2);
    const { interfaces } = lab.simulator.cloud.truth();
    expect(interfaces.map(({ id, secondaryAddresses }) => [id, secondaryAddresses.length])).toEqual([[PRIMARY, 0]]);
    // 110 pods and the buffer of 8 fit into 8 prefixes.
    expect(interfaces[0]?.prefixes).toHaveLength(8);

    // The real plugin finds each pod's lease: ADD again is the same answer, and CHECK is content.
    for (const at of [0, 109]) {
      const [pod, answer] = [pods[at], answers[at]];
      if (pod === undefined || answer === undefined) throw new Error("no pod");
      expect((await lab.plugin("ADD", pod)).address).toBe(answer.address);
      const checked = { ...JSON.parse(lab.configuration), prevResult: JSON.parse(answer.stdout) };
      expect((await lab.plugin("CHECK", pod, JSON.stringify(checked))).exitCode).toBe(0);
    }
    expect(await lab.enid("status")).toMatch(/^prefixes +required, 8 held; \d+ addresses in wholly free blocks$/m);
  }, 120_000);

  it("takes single addresses in a fragmented subnet, says so, and takes prefixes once it is defragmented", async () => {
    const lab = await nodeLab({
      instanceType: "m5.large",
      eni: { "prefix-delegation": "preferred" },
      ipam: { "pre-allocate": 4 },
    });
    lab.simulator.cloud.fragment(POD_SUBNET);
    const status = await lab.start();
    expect([status.pool.total, status.pool.prefixes ?? 0]).toEqual([4, 0]);
    expect(status.degraded.map(({ name }) => name)).toEqual(["subnet-fragmented"]);
    const text = await lab.enid("status");
    expect(text).toContain("subnet-fragmented for ");
    expect(text).toMatch(new RegExp(`^${POD_SUBNET} .* no prefix fits; tried again in `, "m"));

    // A start knows nothing of the pause after the failed try, so nobody has to wait for its end here.
    lab.simulator.cloud.defragment(POD_SUBNET);
    expect(await lab.daemon.stop()).toBe(0);
    lab.daemon.start();
    const recovered = await lab.until(({ pool, intents }) => pool.prefixes === 1 && intents.length === 0);
    expect(recovered.degraded).toEqual([]);
    expect(lab.simulator.cloud.truth().interfaces.map(({ prefixes }) => prefixes.length)).toEqual([1]);
  }, 120_000);

  it("tells a pod that waits for a prefix, and who asks about it, that the subnet has none", async () => {
    const lab = await nodeLab({
      instanceType: "m5.large",
      eni: { "prefix-delegation": "required" },
      ipam: { "pre-allocate": 4, "add-wait-seconds": 5 },
    });
    lab.simulator.cloud.fragment(POD_SUBNET);
    lab.daemon.start();
    await lab.until(({ degraded }) => degraded.some(({ name }) => name === "subnet-fragmented"));
    const [pod] = labPods(1);
    if (pod === undefined) throw new Error("no pod");
    const why = `prefixes are required, and no allowed subnet has a contiguous /28 left (${POD_SUBNET}`;
    const waiting = lab.plugin("ADD", pod);
    await lab.until((status) => status.waiting.length === 1);
    const text = await lab.enid("explain", "shop/web-0000");
    expect(text).toMatch(/^shop\/web-0000 waits for an address since \d+ s$/m);
    expect(text).toContain(why);
    expect(await lab.enid("status")).toContain("WAITING FOR AN ADDRESS (1 pod)");
    const { error } = await waiting;
    expect(error?.code).toBe(11);
    expect(error?.msg).toContain(why);
  }, 120_000);
});

describe("enid plan without a daemon", () => {
  it("plans prefixes for a node, with the calls, and changes nothing", async () => {
    const lab = await nodeLab({
      instanceType: "m5.4xlarge",
      eni: { "prefix-delegation": "preferred" },
      ipam: { "ip-families": "dual" },
    });
    const args = ["plan", "--read-eni-configuration", lab.configurationFile, "--waiting", "110"];
    const { code, stdout, stderr } = await runCli(args, lab.environment);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("2 steps with 110 pods waiting");
    expect(stdout).toContain(`add 8 prefixes (128 addresses) to ${PRIMARY} in ${POD_SUBNET}`);
    expect(stdout).toMatch(/→ AssignPrivateIpAddresses .*Ipv4PrefixCount=8/);
    expect(stdout).toMatch(/→ AssignIpv6Addresses .*Ipv6PrefixCount=1/);
    expect(lab.mutations()).toEqual([]);
    const { interfaces } = lab.simulator.cloud.truth();
    expect(interfaces.map(({ prefixes, ipv6Prefixes }) => [...prefixes, ...ipv6Prefixes])).toEqual([[]]);
  }, 120_000);
});
