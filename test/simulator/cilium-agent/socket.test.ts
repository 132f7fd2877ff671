import { describe, expect, it } from "vitest";
import type { Dialect } from "../../../src/handoff/cilium-node/port.ts";
import { createMemoryDeletionQueue } from "../../../src/handoff/cni/index.ts";
import { AgentSocket } from "../../../src/simulator/cilium-agent/index.ts";
import { Dice, MachineClock, Scheduler } from "../../../src/simulator/engine/index.ts";
import { type DaemonLink, Kubelet } from "../../../src/simulator/kubelet/index.ts";
import type { PodIdentity } from "../../../src/simulator/workload/index.ts";
import { Stage, type StageOptions } from "./stage.ts";

const MINUTE_MS = 60_000;

/** What an agent may become with its pods running. */
const NEXT: Readonly<Record<Dialect, Dialect>> = { crd: "crd", "eni-classic": "eni-1.20", "eni-1.20": "eni-classic" };

/** The simulated kubelet with the agent in the place of enid's plugin and daemon. */
class Machine {
  readonly scheduler = new Scheduler({ startMs: Date.UTC(2026, 0, 1), dice: new Dice(7).fork("scheduler") });
  readonly clock = new MachineClock(this.scheduler);
  readonly stage: Stage;
  readonly socket: AgentSocket;
  readonly kubelet: Kubelet;
  readonly errors: (string | undefined)[] = [];
  readonly #deletions = createMemoryDeletionQueue();
  #pods = 0;

  constructor(options: StageOptions) {
    const dice = new Dice(7);
    this.stage = new Stage({ clock: this.clock, random: dice.fork("agent"), ...options });
    this.socket = new AgentSocket({ agent: this.stage.agent, queue: this.#deletions, clock: this.clock });
    // The type says that it is what a kubelet takes for a daemon.
    const link: DaemonLink = this.socket;
    this.kubelet = new Kubelet({
      clock: this.clock,
      dice: dice.fork("kubelet"),
      link,
      queue: this.#deletions,
      hooks: { onAnswer: (_sandbox, verb, answer) => verb === "add" && this.errors.push(answer.error) },
    });
  }

  pass(ms: number): Promise<void> {
    return this.scheduler.run(this.scheduler.nowMs() + ms);
  }

  async serving(each: number): Promise<void> {
    const { operator } = this.stage;
    void this.socket.start();
    await this.pass(1_000);
    operator.addInterface("eni-1", 1).grow("eni-1", each);
    operator.addInterface("eni-2", 2).grow("eni-2", each);
    await operator.publish();
    await this.pass(2 * MINUTE_MS);
  }

  run(count: number): readonly PodIdentity[] {
    const pods = Array.from({ length: count }, (): PodIdentity => {
      this.#pods += 1;
      return { namespace: "default", name: `pod-${this.#pods}`, uid: `uid-${this.#pods}` };
    });
    for (const pod of pods) this.kubelet.run(pod);
    return pods;
  }

  /** What the kubelet's sandboxes use is what the agent knows as used, and nothing is used twice. */
  compare(): void {
    const running = [...this.kubelet.running()].map(([address, { pod }]) => [address, `${pod.namespace}/${pod.name}`]);
    expect(new Map(this.stage.agent.snapshot().pods)).toEqual(new Map(running as [string, string][]));
  }
}

async function machine(options: StageOptions, each = 8): Promise<Machine> {
  const made = new Machine(options);
  await made.serving(each);
  return made;
}

describe.each(["crd", "eni-classic", "eni-1.20"] as const)("a kubelet with an agent of dialect %s", (dialect) => {
  it("gives its pods addresses and takes them back", async () => {
    const one = await machine({ dialect });
    const pods = one.run(5);
    await one.pass(MINUTE_MS);
    expect(one.kubelet.running().size).toBe(5);
    for (const address of one.kubelet.running().keys()) expect(one.stage.operator.held()).toContain(address);
    one.compare();
    for (const { uid } of pods) one.kubelet.stop(uid);
    await one.pass(MINUTE_MS);
    expect(one.kubelet.podCount).toBe(0);
    one.compare();
    expect(one.stage.agent.snapshot().pods.size).toBe(0);
  });

  it("leaves deletions in the queue while the agent is dead, and the agent carries them out when it is back", async () => {
    const one = await machine({ dialect });
    const pods = one.run(4);
    await one.pass(MINUTE_MS);
    one.socket.crash();
    for (const { uid } of pods.slice(0, 3)) one.kubelet.stop(uid);
    one.run(2);
    await one.pass(MINUTE_MS);
    expect(one.kubelet.counts.queuedDels).toBeGreaterThanOrEqual(3);
    expect(one.kubelet.running().size).toBe(1);
    expect(one.kubelet.waiting().size).toBe(2);
    void one.socket.start();
    await one.pass(2 * MINUTE_MS);
    expect(one.kubelet.running().size).toBe(3);
    one.compare();
  });

  it("breaks calls that are under way when the agent dies, and answers none of them afterwards", async () => {
    const one = await machine({ dialect });
    one.run(6);
    for (let n = 0; n < 10; n++) {
      await one.pass(20);
      one.socket.crash();
      void one.socket.start();
      await one.pass(30_000);
    }
    await one.pass(2 * MINUTE_MS);
    expect(one.kubelet.running().size).toBe(6);
    one.compare();
    expect(one.stage.agent.snapshot().breaches).toEqual([]);
  });

  it("keeps its pods through an upgrade of the agent", async () => {
    const one = await machine({ dialect });
    one.run(4);
    await one.pass(MINUTE_MS);
    const before = [...one.kubelet.running().keys()].sort();
    void one.socket.upgrade(NEXT[dialect]);
    await one.pass(3 * MINUTE_MS);
    expect([...one.kubelet.running().keys()].sort()).toEqual(before);
    expect(one.socket.up).toBe(true);
    one.compare();
  });

  it("starts all pods anew after a boot", async () => {
    const one = await machine({ dialect });
    one.run(5);
    await one.pass(MINUTE_MS);
    one.socket.reboot();
    one.kubelet.reboot(5_000);
    void one.socket.start();
    await one.pass(5 * MINUTE_MS);
    expect(one.kubelet.running().size).toBe(5);
    one.compare();
    expect(one.stage.agent.snapshot().breaches).toEqual([]);
  });

  it("lets pods wait that find none free, until there are more", async () => {
    const one = await machine({ dialect }, 2);
    one.run(6);
    await one.pass(MINUTE_MS);
    expect(one.kubelet.running().size).toBe(4);
    expect(one.errors).toContain("ENID_NO_ADDRESS");
    one.stage.operator.grow("eni-1", 5);
    await one.stage.operator.publish();
    await one.pass(MINUTE_MS);
    expect(one.kubelet.running().size).toBe(6);
    one.compare();
  });
});

describe("the socket of an agent", () => {
  function call(verb: "ADD" | "DEL", containerId: string) {
    return {
      environment: {
        CNI_COMMAND: verb,
        CNI_CONTAINERID: containerId,
        CNI_NETNS: "/var/run/netns/x",
        CNI_IFNAME: "eth0",
        CNI_ARGS: "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_UID=u-1",
      },
      stdin: '{"cniVersion":"1.1.0","name":"cilium","type":"cilium-cni"}',
    };
  }
  const patient = new AbortController().signal;

  it("answers a repeated ADD with the same address, and a DEL of what it does not know with success", async () => {
    const { socket, stage } = await machine({ dialect: "eni-classic" });
    const [first, second] = [
      await socket.call(call("ADD", "c-1"), patient),
      await socket.call(call("ADD", "c-1"), patient),
    ];
    expect(first.answer).toMatchObject({ exit: 0 });
    expect(second.answer).toEqual(first.answer);
    expect(stage.agent.snapshot().pods.size).toBe(1);
    expect((await socket.call(call("DEL", "c-2"), patient)).answer.exit).toBe(0);
    expect((await socket.call(call("DEL", "c-1"), patient)).answer.exit).toBe(0);
    expect(stage.agent.snapshot().pods.size).toBe(0);
  });

  it("breaks its connections when the agent dies, answers none of them, and refuses further ones", async () => {
    const { socket } = await machine({ dialect: "eni-classic" });
    let cuts = 0;
    let isAnswered = false;
    const quit = socket.onCut(() => {
      cuts += 1;
    });
    void socket.call(call("ADD", "c-1"), patient).then(() => {
      isAnswered = true;
    });
    socket.crash();
    await new Promise((resolve) => setImmediate(resolve));
    expect([cuts, isAnswered, socket.up]).toEqual([1, false, false]);
    await expect(socket.call(call("ADD", "c-1"), patient)).rejects.toThrow("connection refused");
    quit();
    socket.crash();
    expect(cuts).toBe(1);
  });

  it("answers again only when the deletions that waited are carried out", async () => {
    const one = await machine({ dialect: "eni-classic" });
    const pods = one.run(3);
    await one.pass(MINUTE_MS);
    one.socket.crash();
    for (const { uid } of pods) one.kubelet.stop(uid);
    await one.pass(MINUTE_MS);
    expect(one.stage.agent.snapshot().pods.size).toBe(3);
    let left = -1;
    void one.socket.start().then(() => {
      left = one.stage.agent.snapshot().pods.size;
    });
    await one.pass(2 * MINUTE_MS);
    expect(left).toBe(0);
  });
});
