import { beforeEach, describe, expect, it } from "vitest";
import type { LeaseService } from "../../src/handoff/cni/index.ts";
import { PLUGIN_LIMIT_MS } from "../../src/simulator/kubelet/index.ts";
import { environment, errorOf, makePlace, pluginBinary, runPlugin } from "../handoff/cni/helpers.ts";
import { KubeletLab, pod, stuckService } from "./kubelet-lab.ts";

const BACK_OFF_MOST_MS = 15_000;
const NO_PODS: readonly string[] = [];

describe("a pod's life", () => {
  let lab: KubeletLab;

  beforeEach(async () => {
    lab = new KubeletLab();
    await lab.startDaemon();
  });

  it("begins with a sandbox whose address comes from the daemon, under the pod's identity", async () => {
    lab.kubelet.run(pod("web-0"));
    expect([...lab.kubelet.waiting().values()]).toEqual([{ pod: pod("web-0"), sinceMs: lab.scheduler.monotonicMs() }]);
    await lab.advance(1_000);
    const sandbox = lab.sandboxOf("uid-web-0");
    expect(sandbox).toMatchObject({
      pod: pod("web-0"),
      attempt: 0,
      containerId: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(sandbox?.addresses).toEqual([expect.stringMatching(/^10\.0\./)]);
    expect([...lab.using]).toEqual([sandbox]);
    expect(lab.kubelet.waiting().size).toBe(0);
    const attachment = { network: "cilium", containerId: sandbox?.containerId ?? "", interfaceName: "eth0" };
    expect(lab.manager?.lookup(attachment)).toMatchObject({ address: sandbox?.addresses[0], pod: pod("web-0") });
    const time = lab.addressed.get("uid-web-0");
    expect(time?.waited).toBe(false);
    expect(time?.tookMs).toBeLessThanOrEqual(50);
  });

  it("ends with its processes, then its DEL, and then it is gone", async () => {
    lab.kubelet.run(pod("web-0"));
    await lab.advance(1_000);
    const address = lab.addressOf("uid-web-0") ?? "";
    expect(lab.kubelet.stop("uid-web-0")).toBe(true);
    expect(lab.kubelet.stop("uid-web-0")).toBe(false);
    expect(lab.kubelet.running().has(address)).toBe(true);
    await lab.advance(2_001);
    expect(lab.storyOf("uid-web-0")).toEqual(["add daemon", "del daemon"]);
    expect(lab.gone).toEqual(["uid-web-0"]);
    expect([lab.kubelet.running().size, lab.using.size, lab.kubelet.podCount]).toEqual([0, 0, 0]);
    expect(lab.leasedPods()).toEqual([]);
  });

  it("is that of a new pod when a StatefulSet runs one of the same name", async () => {
    lab.kubelet.run(pod("db-0", "u1"));
    await lab.advance(1_000);
    lab.kubelet.stop("u1");
    await lab.advance(5_000);
    lab.kubelet.run(pod("db-0", "u2"));
    await lab.advance(1_000);
    expect(lab.gone).toEqual(["u1"]);
    expect(lab.leasedPods()).toEqual(["u2"]);
    expect(() => lab.kubelet.run(pod("db-0", "u2"))).toThrow("runs already");
  });

  it("may be over before the ADD is sent", async () => {
    lab.kubelet.run(pod("web-0"));
    lab.kubelet.stop("uid-web-0");
    expect(lab.gone).toEqual(["uid-web-0"]);
    await lab.advance(60_000);
    expect(lab.answers).toEqual([]);
    expect(lab.kubelet.waiting().size).toBe(0);
  });
});

it("uses both addresses of a dual-stack pod", async () => {
  const lab = new KubeletLab(1, { ipam: { "ip-families": "dual" } });
  lab.provider.ipv6Subnets = ["subnet-a", "subnet-b"];
  await lab.startDaemon();
  lab.kubelet.run(pod("web-0"));
  await lab.advance(5_000);
  expect(lab.sandboxOf("uid-web-0")?.addresses).toEqual([
    expect.stringMatching(/^10\./),
    expect.stringMatching(/^2001:db8:/),
  ]);
  expect(lab.kubelet.running().size).toBe(2);
});

describe("a pod without an address", () => {
  it("waits for the cloud, and is counted as one that did", async () => {
    const lab = new KubeletLab(1, { ipam: { "pre-allocate": 0 } });
    await lab.startDaemon();
    lab.kubelet.run(pod("web-0"));
    await lab.advance(100);
    expect(lab.kubelet.waiting().size).toBe(1);
    await lab.advance(5_000);
    expect(lab.addressed.get("uid-web-0")).toMatchObject({ waited: true });
    expect(lab.addressed.get("uid-web-0")?.tookMs).toBeGreaterThan(300);
    expect(lab.kubelet.counts).toMatchObject({ adds: 1, failedAdds: 0, addressed: 1, waited: 1 });
  });

  it("has its sandbox undone and gets a new one after the back-off, until there is an address", async () => {
    const lab = new KubeletLab(1, { ipam: { "pre-allocate": 0 } });
    lab.provider.freeInSubnets = 0;
    await lab.startDaemon();
    lab.kubelet.run(pod("web-0"));
    await lab.advance(60_000);
    const tries = lab.answers.filter(({ verb }) => verb === "add");
    expect(tries.length).toBeGreaterThan(1);
    expect(lab.storyOf("uid-web-0").slice(0, 3)).toEqual(["add ENID_NO_ADDRESS", "del daemon", "add ENID_NO_ADDRESS"]);
    expect(new Set(tries.map(({ sandbox }) => sandbox?.containerId)).size).toBe(tries.length);
    expect(tries.map(({ sandbox }) => sandbox?.attempt)).toEqual(tries.map((_, index) => index));
    for (const [index, { atMs }] of tries.entries()) {
      if (index > 0) expect(atMs - (tries[index - 1]?.atMs ?? 0)).toBeGreaterThanOrEqual(10_000);
    }
    lab.provider.freeInSubnets = 200;
    await lab.advance(300_000);
    expect(lab.addressed.get("uid-web-0")).toMatchObject({ waited: true });
    expect(lab.leasedPods()).toEqual(["uid-web-0"]);
  });

  it("may be stopped while it waits: its caller hangs up and nothing stays behind", async () => {
    const lab = new KubeletLab(1, { ipam: { "pre-allocate": 0 } });
    lab.provider.callMs = 5_000;
    await lab.startDaemon();
    await lab.advance(60_000);
    lab.kubelet.run(pod("web-0"));
    await lab.advance(100);
    expect(lab.manager?.status().waiting).toHaveLength(1);
    lab.kubelet.stop("uid-web-0");
    await lab.advance(1);
    expect(lab.manager?.status().waiting).toHaveLength(0);
    expect(lab.gone).toEqual(["uid-web-0"]);
    expect(lab.storyOf("uid-web-0")).toEqual(["del daemon"]);
    await lab.advance(60_000);
    expect(lab.leasedPods()).toEqual([]);
    expect(lab.kubelet.counts.hangUps).toBe(1);
  });

  it("is hung up on at the daemon when it is stopped, before its DEL", async () => {
    const lab = new KubeletLab();
    const { service, signals, order } = stuckService();
    lab.socket.open(service);
    lab.kubelet.run(pod("web-0"));
    await lab.advance(100);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    lab.kubelet.stop("uid-web-0");
    await lab.advance(1);
    expect(order).toEqual(["add", "hang-up", "remove"]);
  });

  it("may be stopped during the back-off", async () => {
    const lab = new KubeletLab();
    lab.kubelet.run(pod("web-0"));
    await lab.advance(1_000);
    expect(lab.storyOf("uid-web-0")).toEqual(["add ENID_DAEMON_UNREACHABLE", "del queue"]);
    lab.kubelet.stop("uid-web-0");
    expect(lab.gone).toEqual(["uid-web-0"]);
    await lab.advance(60_000);
    expect(lab.kubelet.counts.adds).toBe(1);
  });
});

describe("while the daemon is away", () => {
  it("prints what the executable prints", async () => {
    const lab = new KubeletLab(1, {}, { habits: { repeat: 0, check: 0, status: 1 } });
    lab.kubelet.run(pod("web-0"));
    await lab.advance(1_000);
    const place = await makePlace();
    try {
      for (const verb of ["ADD", "STATUS"]) {
        const stdin = '{"cniVersion":"1.1.0","name":"cilium"}';
        const run = await runPlugin(pluginBinary(), {
          environment: { ...environment(verb), ENID_SOCKET: place.socket },
          stdin,
        });
        const real = errorOf(run);
        const body = lab.answers.find((told) => told.verb === verb.toLowerCase())?.answer.body ?? "";
        expect(body.endsWith("}\n")).toBe(true);
        const detail = / answers on .*$/;
        expect({ ...JSON.parse(body), msg: JSON.parse(body).msg.replace(detail, "") }).toEqual({
          ...real,
          msg: real.msg.replace(detail, ""),
        });
      }
    } finally {
      await place.remove();
    }
  });

  it("leaves deletions in the queue, from which the next daemon carries them out", async () => {
    const lab = new KubeletLab();
    await lab.startDaemon();
    for (const name of ["a", "b", "c"]) lab.kubelet.run(pod(name));
    await lab.advance(1_000);
    lab.crash();
    lab.kubelet.stop("uid-a");
    lab.kubelet.stop("uid-b");
    await lab.advance(5_000);
    expect(lab.gone.toSorted()).toEqual(["uid-a", "uid-b"]);
    expect(lab.queue.size).toBe(2);
    expect(lab.kubelet.counts.queuedDels).toBe(2);
    expect(lab.leasedPods()).toEqual(["uid-a", "uid-b", "uid-c"]);
    await lab.startDaemon();
    expect(lab.queue.size).toBe(0);
    expect(lab.leasedPods()).toEqual(["uid-c"]);
    expect(lab.addressOf("uid-c")).toBeDefined();
  });

  it("fails the ADD that is cut in the middle, and leaks nothing", async () => {
    const lab = new KubeletLab(1, { ipam: { "pre-allocate": 0 } });
    lab.provider.callMs = 2_000;
    await lab.startDaemon();
    await lab.advance(30_000);
    lab.kubelet.run(pod("web-0"));
    await lab.advance(1_000);
    expect(lab.answers).toEqual([]);
    lab.crash();
    expect(lab.storyOf("uid-web-0")).toEqual(["add ENID_DAEMON_UNREACHABLE", "del queue"]);
    expect(lab.answers[0]?.answer.body).toContain("it closed the connection before its answer was complete");
    await lab.startDaemon();
    await lab.advance(BACK_OFF_MOST_MS + 30_000);
    expect(lab.leasedPods()).toEqual(["uid-web-0"]);
    expect(lab.sandboxOf("uid-web-0")?.attempt).toBeGreaterThan(0);
  });

  it("does not hear from a plugin whose time is up: it hangs up, ADD fails, DEL is queued", async () => {
    const lab = new KubeletLab();
    const { service, signals } = stuckService();
    lab.socket.open(service);
    lab.kubelet.run(pod("web-0"));
    await lab.advance(PLUGIN_LIMIT_MS - 1);
    expect(lab.answers).toEqual([]);
    await lab.advance(PLUGIN_LIMIT_MS + 60);
    expect(lab.storyOf("uid-web-0").slice(0, 2)).toEqual(["add ENID_DAEMON_LATE", "del queue"]);
    expect(signals[0]?.aborted).toBe(true);
    expect(lab.queue.size).toBe(1);
  });

  it("still hears the answer of a daemon that stops in order, which takes no new calls", async () => {
    const lab = new KubeletLab(1, { ipam: { "pre-allocate": 0 } });
    await lab.startDaemon();
    lab.kubelet.run(pod("a"));
    await lab.advance(100);
    lab.socket.close();
    lab.kubelet.run(pod("b"));
    await lab.advance(3_000);
    expect([lab.storyOf("uid-a"), lab.storyOf("uid-b")[0]]).toEqual([["add daemon"], "add ENID_DAEMON_UNREACHABLE"]);
  });

  it("sends DEL again and again until it succeeds", async () => {
    const lab = new KubeletLab();
    await lab.startDaemon();
    lab.kubelet.run(pod("web-0"));
    await lab.advance(1_000);
    const { manager } = lab;
    if (manager === undefined) throw new Error("no manager");
    let refusals = 3;
    const refusing: LeaseService = {
      add: (request, signal) => manager.add(request, signal),
      remove: (attachment, of) =>
        refusals-- > 0 ? Promise.reject(new Error("not now")) : manager.remove(attachment, of),
      lookup: (attachment) => manager.lookup(attachment),
      notReady: () => manager.notReady(),
    };
    lab.socket.open(refusing);
    lab.kubelet.stop("uid-web-0");
    await lab.advance(3_000);
    // A sandbox whose DEL was sent once is not forgotten any more.
    lab.kubelet.faults.missing(1);
    await lab.advance(4 * BACK_OFF_MOST_MS);
    const internal = "del ENID_INTERNAL";
    expect(lab.storyOf("uid-web-0")).toEqual(["add daemon", internal, internal, internal, "del daemon"]);
    expect(lab.kubelet.counts).toMatchObject({ dels: 4, failedDels: 3, lostDels: 0 });
    expect(lab.gone).toEqual(["uid-web-0"]);
    expect(lab.leasedPods()).toEqual(NO_PODS);
  });
});

describe("what the runtime does beyond its duty", () => {
  it("repeats an ADD whose answer was lost, and gets the same address", async () => {
    const lab = new KubeletLab(1, {}, { habits: { repeat: 1, check: 0, status: 0 } });
    await lab.startDaemon();
    lab.kubelet.run(pod("web-0"));
    await lab.advance(10_000);
    const [first, second] = lab.answers;
    expect(lab.storyOf("uid-web-0")).toEqual(["add daemon", "add daemon"]);
    expect(second?.answer.addresses).toEqual(first?.answer.addresses);
    expect(second?.sandbox).toBe(first?.sandbox);
    expect([lab.changed, lab.kubelet.counts.repeatedAdds]).toEqual([[], 1]);
  });

  it("gives the pod a new sandbox when the repeated ADD fails", async () => {
    const lab = new KubeletLab(3, {}, { habits: { repeat: 1, check: 0, status: 0 } });
    await lab.startDaemon();
    lab.kubelet.run(pod("web-0"));
    await lab.advance(60);
    const old = lab.sandboxOf("uid-web-0");
    lab.crash();
    await lab.advance(6_000);
    expect(lab.storyOf("uid-web-0").slice(0, 3)).toEqual(["add daemon", "add ENID_DAEMON_UNREACHABLE", "del queue"]);
    expect([lab.using.size, lab.kubelet.waiting().size]).toEqual([0, 1]);
    await lab.startDaemon();
    await lab.advance(30_000);
    expect(lab.sandboxOf("uid-web-0")?.containerId).not.toBe(old?.containerId);
    expect(lab.leasedPods()).toEqual(["uid-web-0"]);
  });

  it("checks sandboxes and asks for the status, and both succeed", async () => {
    const lab = new KubeletLab(1, {}, { habits: { repeat: 0, check: 1, status: 1 } });
    await lab.startDaemon();
    for (const name of ["a", "b"]) lab.kubelet.run(pod(name));
    await lab.advance(61_000);
    expect(lab.storyOf("uid-a")).toEqual(["add daemon", "check daemon"]);
    expect(lab.answers.filter(({ verb }) => verb === "status").map(({ answer }) => answer.exit)).toEqual([0, 0]);
    expect(lab.kubelet.counts).toMatchObject({ checks: 2, statuses: 2 });
  });
});
