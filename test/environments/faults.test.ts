import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { callDaemon, callPlugin, type LabPod, labPods, type PluginAnswer } from "../../scripts/lab/plugin.ts";
import { describeAsRoot } from "../support/root.ts";
import { type AwsEnvironment, LARGE_NODE, makeAwsEnvironment } from "./aws-environment.ts";
import { until } from "./commands.ts";
import { countedIp } from "./counted-ip.ts";
import { inFlight } from "./in-flight.ts";
import type { TestNode } from "./node.ts";
import { NETWORK } from "./pod.ts";

const TEST_LIMIT_MS = 120_000;
const TRY_AGAIN = 11;
/** As the node's file says it, for calls of enid-ipam without a main plugin. */
const CONFIGURATION = JSON.stringify({
  cniVersion: "1.0.0",
  name: NETWORK,
  type: "cilium-cni",
  ipam: { type: "enid-ipam" },
});

let environment: AwsEnvironment;
let node: TestNode;
/** Rules of the node without pods. */
let baseline: readonly string[];
/** Every address that a pod of this file ever had. */
const had = new Set<string>();

/** A real plugin process, as a container runtime starts it. */
async function plugin(verb: "ADD" | "DEL", pod: LabPod): Promise<PluginAnswer> {
  const { socket } = node.daemon;
  const environment = { ENID_SOCKET: socket, ENID_TIMEOUT_MS: "20000" };
  const answer = await callPlugin({
    verb,
    containerId: pod.containerId,
    pod,
    configuration: CONFIGURATION,
    environment,
  });
  for (const address of answer.addresses) had.add(address);
  return answer;
}

/** Success, or an error after which the runtime tries again by itself. */
function expectRetriable(answers: readonly PluginAnswer[]): void {
  const others = answers.filter(({ exitCode, error }) => exitCode !== 0 && error?.code !== TRY_AGAIN);
  expect(others.map(({ stdout }) => stdout)).toEqual([]);
}

/** As a runtime: DEL after an ADD that failed, and ADD again. All answers. */
async function addUntilDone(pod: LabPod): Promise<readonly PluginAnswer[]> {
  const answers: PluginAnswer[] = [];
  await until(`an address for ${pod.name}`, async () => {
    const answer = await plugin("ADD", pod);
    answers.push(answer);
    expectRetriable([answer]);
    if (answer.exitCode !== 0) answers.push(...(await delUntilDone(pod)));
    return answer.exitCode === 0;
  });
  return answers;
}

/** As a runtime: DEL again after a DEL that failed. All answers. */
async function delUntilDone(pod: LabPod): Promise<readonly PluginAnswer[]> {
  const answers: PluginAnswer[] = [];
  await until(`the end of ${pod.name}`, async () => {
    const answer = await plugin("DEL", pod);
    answers.push(answer);
    return answer.exitCode === 0;
  });
  return answers;
}

/** Nothing of any pod is left, and the node is as it was without pods. */
async function expectNothingLeft(): Promise<void> {
  await node.untilNothingIsLeft([...had]);
  expect(await node.rules()).toEqual(baseline);
}

async function shown(body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    if (error instanceof Error) error.message += `\n\n${await environment.describe()}\n\n${await node.describe()}`;
    throw error;
  }
}

function continueIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGCONT");
  } catch {
    // It ended.
  }
}

let nextPod = 0;
function newPods(count: number): LabPod[] {
  nextPod += count;
  return labPods(count, nextPod - count);
}

describeAsRoot("callers of a daemon that comes and goes", () => {
  beforeAll(async () => {
    environment = await makeAwsEnvironment(LARGE_NODE);
    const [first] = environment.nodes;
    if (first === undefined) throw new Error("there is no node");
    node = first;
    baseline = await node.rules();
  }, TEST_LIMIT_MS);

  afterAll(() => environment?.close(), TEST_LIMIT_MS);

  const test = (name: string, body: () => Promise<void>) => it(name, () => shown(body), TEST_LIMIT_MS);

  test("the daemon is down: ADD can be tried again, DEL succeeds and is carried out later", async () => {
    const pods = newPods(6);
    const [unknown] = newPods(1);
    expectRetriable(await Promise.all(pods.map((pod) => plugin("ADD", pod))));
    expect(await node.leases()).toHaveLength(pods.length);
    await node.daemon.stop();
    for (const pod of unknown === undefined ? [] : [unknown, ...newPods(2)]) {
      expect((await plugin("ADD", pod)).error).toMatchObject({ code: TRY_AGAIN });
      expect(await plugin("DEL", pod)).toMatchObject({ exitCode: 0, stdout: "" });
    }
    for (const pod of pods) expect(await plugin("DEL", pod)).toMatchObject({ exitCode: 0, stdout: "" });
    expect(node.queued()).toHaveLength(9);
    node.launch();
    await node.settled();
    await expectNothingLeft();
  });

  test("the daemon restarts: each ADD and each DEL succeeds or can be tried again", async () => {
    const pods = newPods(20);
    for (const stop of [() => node.daemon.stop(), () => node.daemon.kill()]) {
      for (const [work, left] of [
        [addUntilDone, pods.length],
        [delUntilDone, 0],
      ] as const) {
        const restart = async () => {
          await stop();
          node.launch();
        };
        const [, ...answers] = await Promise.all([restart(), ...pods.map(work)]);
        expectRetriable(answers.flat());
        await node.settled();
        expect(await node.leases()).toHaveLength(left);
      }
      await expectNothingLeft();
    }
  });

  test("the daemon is told to stop while ADDs and DELs lie before it: they can be tried again", async () => {
    const pods = newPods(20);
    for (const verb of ["ADD", "DEL"] as const) {
      let stopped: Promise<number | null> | undefined;
      const answers = await atOnce(verb, pods, () => {
        stopped = node.daemon.stop();
      });
      expectRetriable(answers);
      expect(await stopped).toBe(0);
      node.launch();
      await node.settled();
    }
    for (const pod of pods) await delUntilDone(pod);
    await expectNothingLeft();
  });

  test("the daemon dies in the middle of ADDs and of DELs: what was answered counts", async () => {
    for (const answered of [0, 4, 20]) {
      const pods = newPods(30);
      const adds = await cutAfter(answered, "ADD", pods);
      expectRetriable(adds);
      node.launch();
      await node.settled();
      const held = (await node.leases()).join("\n");
      for (const { address } of adds) if (address !== undefined) expect(held).toContain(` ${address}`);
      expectRetriable(await cutAfter(answered, "DEL", pods));
      node.launch();
      await node.settled();
      for (const pod of pods) await delUntilDone(pod);
      await expectNothingLeft();
    }
  });

  /** All pods at once; the daemon is killed when so many were answered. */
  async function cutAfter(answered: number, verb: "ADD" | "DEL", pods: readonly LabPod[]): Promise<PluginAnswer[]> {
    let count = 0;
    let killed: Promise<void> | undefined;
    const kill = () => {
      if (count >= answered) killed ??= node.daemon.kill();
    };
    const calls = pods.map(async (pod) => {
      const answer = await plugin(verb, pod);
      count += 1;
      kill();
      return answer;
    });
    kill();
    const answers = await Promise.all(calls);
    await killed;
    return answers;
  }

  test("1,000 pairs of ADD and DEL with 50 in flight", async () => {
    const answers: PluginAnswer[] = [];
    await inFlight(50, newPods(1_000), async (pod) => {
      answers.push(await plugin("ADD", pod), await plugin("DEL", pod));
    });
    expectRetriable(answers);
    expect(answers.filter(({ exitCode }) => exitCode === 0).length).toBe(2_000);
    await expectNothingLeft();
  });

  test("110 pods at once: their rules take at most three processes of `ip`, and so does their end", async () => {
    const ip = countedIp(join(node.runFolder, "..", "counted"));
    await node.daemon.stop();
    node.launch({ PATH: ip.path });
    await node.settled();
    const pods = newPods(110);
    ip.forget();
    const added = await atOnce("ADD", pods);
    expect(added.filter(({ exitCode }) => exitCode === 0)).toHaveLength(pods.length);
    expect(ip.changes().length, ip.changes().join("\n")).toBeGreaterThan(0);
    expect(ip.changes().length, ip.changes().join("\n")).toBeLessThanOrEqual(3);
    const rules = (await node.rules()).join("\n");
    for (const { address } of added) {
      expect(rules).toContain(`from all to ${address} lookup main`);
      expect(rules).toContain(`from ${address} lookup 1`);
      had.add(address ?? "");
    }
    ip.forget();
    await atOnce("DEL", pods);
    await expectNothingLeft();
    expect(ip.changes().length, ip.changes().join("\n")).toBeLessThanOrEqual(3);
  });

  /**
   * The daemon stands still until all requests have come: in what time they are sent, by a busy machine, is nothing. The
   * answers; none of those whose connection broke, of which the plugin says code 11, or queues the DEL.
   */
  async function atOnce(
    verb: "ADD" | "DEL",
    pods: readonly LabPod[],
    meanwhile: () => void = () => {},
  ): Promise<readonly PluginAnswer[]> {
    const { pid, socket } = node.daemon;
    process.kill(pid, "SIGSTOP");
    try {
      const sent = pods.map(() => Promise.withResolvers<void>());
      const answers = Promise.allSettled(
        pods.map((pod, n) => {
          const call = { verb, containerId: pod.containerId, pod, configuration: CONFIGURATION, environment: {} };
          return callDaemon(call, socket, sent[n]?.resolve);
        }),
      );
      await Promise.race([Promise.all(sent.map(({ promise }) => promise)), answers]);
      meanwhile();
      process.kill(pid, "SIGCONT");
      return (await answers).flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    } finally {
      continueIfThere(pid);
    }
  }
});
