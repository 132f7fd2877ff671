import { describe, expect, it } from "vitest";
import { EnidError } from "../../src/errors.ts";
import type { Dialect } from "../../src/handoff/cilium-node/port.ts";
import { agentLab, PictureReach, podsOn } from "./agent-lab.ts";
import { add, attachment, configuration, pod, range } from "./harness.ts";

const MINUTE_MS = 60_000;
const QUIET = { "release-delay-seconds": 180, "pre-allocate": 2 };

const released = (mutations: readonly string[]) => mutations.filter((line) => line.startsWith("release"));

describe("a node whose addresses Cilium's agent takes", () => {
  it("offers its buffer, with what the agent needs to know of each interface", async () => {
    const { agent } = await agentLab({ "pre-allocate": 8 });
    const offer = agent.service?.offer();
    expect(offer).toMatchObject({
      instanceId: "i-1",
      instanceType: "m5.large",
      availabilityZone: "eu-central-1a",
      vpcId: "vpc-1",
      vpcCidrs: ["10.0.0.0/16"],
      wantedBack: [],
      leaving: [],
      error: "",
      ready: true,
      free: 8,
      watermarks: { minAllocate: 0, preAllocate: 8, maxAllocate: 0 },
    });
    expect(agent.addresses()).toHaveLength(8);
    expect(new Set(agent.addresses()).size).toBe(8);
    expect(agent.told).toBeGreaterThan(0);
  });

  it("expands prefixes to their addresses", async () => {
    const { agent } = await agentLab({ "pre-allocate": 8 }, { "prefix-delegation": "required" });
    const [one] = agent.service?.offer()?.interfaces ?? [];
    expect(one?.prefixes).toHaveLength(1);
    expect(one?.addresses).toHaveLength(16);
    const [base = "", last] = [one?.prefixes[0]?.replace("/28", ""), one?.addresses.at(-1)];
    expect(one?.addresses[0]).toBe(base);
    expect(last).toBe(base.replace(/\d+$/, (octet) => String(Number(octet) + 15)));
  });

  it("leases what the agent says is in use, grows by it, and keeps it across a restart", async () => {
    const lab = await agentLab({ "pre-allocate": 4 });
    const pods = podsOn(lab.agent.addresses().slice(0, 3));
    lab.agent.says({ pods });
    await lab.clock.advance(5_000);
    expect(lab.running.status().pool).toMatchObject({ leased: 3, total: 7 });
    expect(lab.running.explain("shop/p-1").answer).toContain(lab.agent.addresses()[1]);
    await lab.running.stop();
    const { agent, running } = await lab.restart();
    expect(running.status().pool).toMatchObject({ leased: 3 });
    agent.says({ pods });
    await lab.clock.advance(5_000);
    expect(running.status().pool).toMatchObject({ leased: 3, total: 7 });
    expect(running.leases().map(({ address }) => address)).toEqual(expect.arrayContaining(Object.keys(pods)));
  });

  it("has an address free again as soon as the agent uses it no more, and leases it anew to another pod", async () => {
    const { agent, running, clock } = await agentLab({ "pre-allocate": 4, "cooling-seconds": 300 });
    const [address = ""] = agent.addresses();
    agent.says({ pods: { [address]: "shop/a" } });
    agent.says({ pods: {} });
    expect(running.status().pool).toMatchObject({ leased: 0, cooling: 0 });
    agent.says({ pods: { [address]: "shop/b" } });
    agent.says({ pods: { [address]: "shop/c" } });
    await clock.advance(2_000);
    expect(running.leases().map((lease) => [lease.address, lease.pod.name])).toEqual([[address, "c"]]);
  });

  it("counts pods that are bound to it and have no address yet as demand", async () => {
    const { agent, clock, running } = await agentLab({ "pre-allocate": 2 });
    agent.says({ waiting: 7 });
    await clock.advance(5_000);
    expect(running.status().pool.total).toBeGreaterThanOrEqual(7);
  });

  it("counts the addresses in use that the agent of 1.20 does not name", async () => {
    const { agent, clock, running } = await agentLab({ "pre-allocate": 2 });
    agent.says({ dialect: "eni-1.20", used: undefined, usedCount: 6 });
    await clock.advance(5_000);
    expect(running.status()).toMatchObject({ pool: { total: 8, leased: 0 }, watermarks: { used: 6 } });
  });

  it("grows in one plan for what that agent asks for beyond all that it has", async () => {
    const { agent, clock, running, provider, events } = await agentLab({ "pre-allocate": 1, "max-above-watermark": 2 });
    agent.says({ dialect: "eni-1.20", used: undefined, usedCount: 16 });
    await clock.advance(10_000);
    expect(running.status().pool.total).toBeGreaterThanOrEqual(17);
    expect(events.filter(({ name }) => name === "promise-broken")).toEqual([]);
    const steps = provider.mutations.length;
    await clock.advance(10 * MINUTE_MS);
    expect(provider.mutations).toHaveLength(steps);
  });

  it("refuses the plugin, by name", async () => {
    const { running } = await agentLab();
    expect(await add(running, 1)).toMatchObject({ code: "ENID_HAND_OFF_OTHER" });
    await expect(running.remove(attachment(1), pod(1))).resolves.toBeUndefined();
  });

  it("says that the hand-off fails, and that other settings wait for a restart", async () => {
    const { agent, clock, running } = await agentLab();
    agent.wrong = new EnidError("ENID_KUBERNETES_AWAY", { what: "the CiliumNode", detail: "refused" });
    await clock.advance(MINUTE_MS);
    expect(running.status().degraded.map(({ name }) => name)).toEqual(["cilium-node-failing"]);
    agent.wrong = undefined;
    await running.offerConfiguration({ kind: "valid", configuration: configuration({}) });
    await clock.advance(MINUTE_MS);
    expect(running.status().degraded).toMatchObject([
      { name: "hand-off-waits", error: { code: "ENID_HAND_OFF_RESTART" } },
    ]);
    await running.stop();
    expect(agent.stopped).toBe(true);
  });

  it("names addresses that pods have and that it does not hold", async () => {
    const { agent, clock, running, events } = await agentLab();
    const [address = ""] = agent.addresses();
    agent.says({ pods: { [address]: "shop/a", "10.9.9.9": "shop/b" } });
    agent.says({ pods: { [address]: "shop/a", "10.9.9.9": "shop/b" } });
    await clock.advance(1_000);
    expect(running.status()).toMatchObject({ pool: { leased: 1 }, degraded: [{ name: "agent-address-unknown" }] });
    expect(events.filter(({ name }) => name === "agent-address-unknown")).toHaveLength(1);
    agent.says({ pods: { [address]: "shop/a" } });
    await clock.advance(1_000);
    expect(running.status().degraded).toEqual([]);
  });
});

describe("the way to the pods of such a node", () => {
  async function pictureIn(dialect: Dialect) {
    const reach = new PictureReach();
    const lab = await agentLab({ "pre-allocate": 8 }, {}, { reaches: [reach] });
    const before = reach.look();
    lab.agent.says({ dialect });
    await lab.clock.advance(1_000);
    return { before, after: reach.look(), ...lab };
  }

  it("is enid's with ipam crd: for all that is offered, before a pod has it", async () => {
    const { before, after, agent } = await pictureIn("crd");
    expect(before).toMatchObject({ interfaces: [], addresses: [] });
    expect(after.addresses.map(({ address }) => address)).toEqual(agent.addresses());
    expect(after.addresses).toHaveLength(8);
    expect(after.interfaces.length).toBeGreaterThan(0);
  });

  it("is the agent's own with ipam eni: enid touches no device", async () => {
    const { before, after } = await pictureIn("eni-classic");
    expect(before).toMatchObject({ interfaces: [], addresses: [] });
    expect(after).toMatchObject({ interfaces: [], addresses: [] });
  });
});

describe("addresses beyond the watermarks of such a node", () => {
  async function withExcess() {
    const lab = await agentLab(QUIET);
    const asked = range(6).map((n) => `shop/p-${n}`);
    lab.agent.says({ waiting: asked.length });
    await lab.clock.advance(5_000);
    lab.agent.says({ pods: {} });
    return lab;
  }

  it("are asked back after the quiet time, and given back only once the agent has let them go", async () => {
    const { agent, clock, running, provider } = await withExcess();
    const { total } = running.status().pool;
    expect(total).toBeGreaterThan(4);
    await clock.advance(2 * MINUTE_MS);
    expect(agent.wantedBack).toEqual([]);
    await clock.advance(60 * MINUTE_MS);
    expect(agent.wantedBack).toHaveLength(total - 2);
    expect(released(provider.mutations)).toEqual([]);
    agent.says({ letGo: [...agent.wantedBack] });
    await clock.advance(2_000);
    expect(released(provider.mutations)).toEqual([`release-blocks ${total - 2}`]);
    expect(running.status().pool.total).toBe(2);
    expect(agent.addresses()).toHaveLength(2);
    await clock.advance(60 * MINUTE_MS);
    expect(agent.wantedBack).toEqual([]);
  });

  it("stay in the offer until EC2 has them", async () => {
    const { agent, clock, running, provider } = await withExcess();
    const { total } = running.status().pool;
    await clock.advance(10 * MINUTE_MS);
    provider.callMs = 30_000;
    agent.says({ letGo: [...agent.wantedBack] });
    await clock.advance(5_000);
    expect(running.status().pool.releasing).toBe(total - 2);
    expect(agent.addresses()).toHaveLength(total);
    expect(agent.service?.offer()?.leaving).toHaveLength(total - 2);
    await clock.advance(60_000);
    expect(agent.addresses()).toHaveLength(2);
    expect(agent.service?.offer()?.leaving).toEqual([]);
  });

  it("that the agent keeps are not asked for while it says so; others are instead", async () => {
    const { agent, clock } = await withExcess();
    await clock.advance(10 * MINUTE_MS);
    const [kept = ""] = agent.wantedBack;
    const count = agent.wantedBack.length;
    agent.says({ kept: [kept] });
    await clock.advance(1_000);
    expect(agent.wantedBack).not.toContain(kept);
    expect(agent.wantedBack).toHaveLength(count);
  });

  it("are not asked for any more when pods come, and an answer of before does not count then", async () => {
    const { agent, clock, running, provider } = await withExcess();
    await clock.advance(10 * MINUTE_MS);
    const answered = [...agent.wantedBack];
    const others = agent.addresses().filter((one) => !answered.includes(one));
    // Pods take the buffer: nothing is beyond the watermarks now.
    agent.says({ pods: podsOn(others), waiting: answered.length });
    await clock.advance(1_000);
    expect(agent.wantedBack).toEqual([]);
    agent.says({ pods: podsOn(others), waiting: answered.length, letGo: answered });
    // And gone again: the old answer must not do.
    agent.says({ letGo: answered });
    await clock.advance(30 * MINUTE_MS);
    expect(agent.wantedBack.filter((one) => answered.includes(one))).toEqual([]);
    expect(released(provider.mutations)).toEqual([]);
    // The agent was seen to know: it is asked anew.
    agent.says({});
    await clock.advance(1_000);
    expect(agent.wantedBack.length).toBeGreaterThan(0);
    expect(running.status().pool.total).toBeGreaterThan(2);
  });

  it("of prefixes go when all sixteen of one were let go", async () => {
    const lab = await agentLab(QUIET, { "prefix-delegation": "required" });
    const { agent, clock, provider, running } = lab;
    agent.says({ waiting: 20 });
    await clock.advance(5_000);
    agent.says({});
    await clock.advance(10 * MINUTE_MS);
    const wanted = [...agent.wantedBack];
    expect(wanted).toHaveLength(16);
    agent.says({ letGo: wanted.slice(0, 15) });
    await clock.advance(MINUTE_MS);
    expect(released(provider.mutations)).toEqual([]);
    agent.says({ letGo: wanted });
    await clock.advance(MINUTE_MS);
    expect(released(provider.mutations)).toEqual(["release-blocks 1"]);
    expect(running.status().pool.total).toBe(16);
  });

  it("of the agent of 1.20 go when their CIDRs left its list, and not before", async () => {
    const { agent, clock, provider, running } = await agentLab(QUIET);
    const modern = { dialect: "eni-1.20", used: undefined } as const;
    agent.says({ ...modern, usedCount: 6 });
    await clock.advance(5_000);
    agent.says({ ...modern, usedCount: 0 });
    await clock.advance(30 * MINUTE_MS);
    expect([agent.wantedBack, released(provider.mutations)]).toEqual([[], []]);
    const gone = agent.addresses().slice(0, 3);
    agent.says({ ...modern, letGo: gone.map((one) => `${one}/32`) });
    await clock.advance(2_000);
    expect(released(provider.mutations)).toEqual(["release-blocks 3"]);
    expect(running.status().pool.total).toBe(5);
    expect(agent.addresses().filter((one) => gone.includes(one))).toEqual([]);
  });

  it("wait while the agent restores its pods (cilium/cilium#9888, #13412)", async () => {
    const { agent, clock, running, provider } = await withExcess();
    const pods = podsOn(agent.addresses().slice(0, 2));
    agent.says({ pods });
    await clock.advance(10 * MINUTE_MS);
    const answered = [...agent.wantedBack];
    expect(answered.length).toBeGreaterThan(0);
    agent.says({ pods: {}, restoring: true, letGo: answered });
    await clock.advance(30 * MINUTE_MS);
    expect(running.status().pool).toMatchObject({ leased: 2 });
    expect(agent.wantedBack).toEqual([]);
    expect(released(provider.mutations)).toEqual([]);
    agent.says({ pods });
    await clock.advance(1_000);
    expect(running.leases()).toHaveLength(2);
  });

  it("that were on their way back when the process ended stay unless the agent still lets them go", async () => {
    for (const stillLetGo of [true, false]) {
      const lab = await withExcess();
      const { total } = lab.running.status().pool;
      await lab.clock.advance(10 * MINUTE_MS);
      const letGo = [...lab.agent.wantedBack];
      lab.provider.callMs = 10 * MINUTE_MS;
      lab.agent.says({ letGo });
      await lab.clock.advance(1_000);
      expect(lab.running.status().pool.releasing).toBe(letGo.length);
      // The process is gone before its call: nothing of it reaches EC2.
      void lab.running.stop(0);
      lab.provider.callMs = 100;
      const { agent, running } = await lab.restart();
      await lab.clock.advance(MINUTE_MS);
      expect(running.status().pool, "nothing before the agent has said something").toMatchObject({ total });
      const [first = "", ...others] = letGo;
      agent.says(stillLetGo ? { letGo } : { letGo: others, pods: {} });
      await lab.clock.advance(MINUTE_MS);
      expect(running.status().intents).toEqual([]);
      expect(running.status().pool).toMatchObject({ releasing: 0, total: stillLetGo ? 2 : total });
      expect(agent.addresses().includes(first)).toBe(!stillLetGo);
    }
  });

  it("that went before their process could hear of it are missed, also when EC2 can be asked only later", async () => {
    const lab = await withExcess();
    const { total } = lab.running.status().pool;
    await lab.clock.advance(10 * MINUTE_MS);
    const letGo = [...lab.agent.wantedBack];
    lab.agent.says({ letGo });
    await lab.clock.advance(100);
    // EC2 carries it out; the process is gone before the answer.
    void lab.running.stop(0);
    await lab.clock.advance(1_000);
    const { agent, running } = await lab.restart();
    const away = { class: "transient", ec2Code: "away", effect: "none" } as const;
    for (let n = 0; n < 3; n++) lab.provider.fail("observe cloud", away);
    await lab.clock.advance(2_000);
    // The agent of before is gone, and its answers with it.
    agent.says({});
    await lab.clock.advance(1_000);
    expect(running.status().pool.total === total || running.status().pool.total === 2).toBe(true);
    await lab.clock.advance(20 * MINUTE_MS);
    expect(running.status()).toMatchObject({ intents: [], pool: { total: 2, releasing: 0 } });
    expect(agent.addresses().filter((one) => letGo.includes(one))).toEqual([]);
  });

  it("are never taken by a removed interface of which the agent uses something unnamed", async () => {
    const { agent, clock, provider } = await agentLab(QUIET, { "interface-idle-seconds": 60 });
    agent.says({ dialect: "eni-1.20", used: undefined, usedCount: 20 });
    await clock.advance(10_000);
    expect(provider.interfaces.size).toBe(3);
    agent.says({ dialect: "eni-1.20", used: undefined, usedCount: 1 });
    await clock.advance(60 * MINUTE_MS);
    expect(provider.interfaces.size).toBe(3);
  });
});
