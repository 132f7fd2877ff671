import { readFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock, systemRandom } from "../../src/adapters/index.ts";
import type { StatusReport } from "../../src/manager/index.ts";
import { loadModel, type RunningSimulator, startSimulator } from "../../src/simulator/index.ts";
import { DaemonProcess, ROOT, runCli } from "../lab/daemon.ts";
import { callPlugin, type LabPod, labPods, type PluginAnswer } from "../lab/plugin.ts";
import type { Narrator } from "./narrator.ts";
import { type CloudTruth, cloudTruth, inSubnets } from "./truth.ts";

export interface Summary {
  readonly ok: boolean;
  readonly pods: number;
  readonly duplicates: number;
  readonly lostAfterKill: number;
  readonly wrongSubnet: number;
  readonly overrideSurvived: boolean;
  /** What went back to EC2 after the pods had left. */
  readonly givenBack: { readonly addresses: number; readonly interfaces: number };
  /** Pod addresses that EC2 still has on the node at the end; min-allocate, if all went well. */
  readonly addressesLeft: number;
  readonly ec2Calls: Readonly<Record<string, number>>;
  readonly addMs: { readonly p50: number; readonly p99: number };
}

export interface StoryResult {
  readonly summary: Summary;
  readonly status: StatusReport;
  /** Address of each pod by its container id. */
  readonly addresses: ReadonlyMap<string, string>;
  /** The cloud while every pod had its address. */
  readonly truth: CloudTruth;
  readonly failures: readonly string[];
}

export interface StoryOptions {
  readonly folder: string;
  readonly configurationFile: string;
  readonly narrator: Narrator;
}

const PODS = 25;
/** The daemon is killed once so many ADDs of the burst were answered. */
const KILL_AFTER = 11;
const INSTANCE = "i-0a100000000000001";

export async function tellStory({ folder, configurationFile, narrator }: StoryOptions): Promise<StoryResult> {
  const configuration = readFileSync(configurationFile, "utf8");
  narrator.chapter("A simulated cloud");
  const modelFile = join(ROOT, "scripts", "story", "vpc.json");
  const simulator = await startSimulator({
    description: loadModel(JSON.parse(readFileSync(modelFile, "utf8")), modelFile),
    listen: { host: "127.0.0.1", port: 0 },
    clock: systemClock,
    random: systemRandom,
  });
  const daemon = new DaemonProcess({ folder, configurationFile, environment: simulator.environment(INSTANCE) });
  try {
    narrator.say(
      `EC2 and instance metadata answer on ${simulator.endpoint}; one m5.large, two subnets for pods, one that is not`,
    );
    const failures: string[] = [];
    const check = (holds: boolean, otherwise: string) => {
      if (!holds) failures.push(otherwise);
    };

    await untilReady(daemon, narrator);
    const pods = labPods(PODS);
    const { acknowledged, addMs } = await burstWithKill({ daemon, narrator, pods, configuration });
    const lost = await lostPods({ daemon, narrator, acknowledged });
    const finished = await addTheRest({ daemon, narrator, pods, configuration, acknowledged, addMs });
    check(finished === PODS, `${PODS - finished} pods got no address`);
    const status = await daemon.get<StatusReport>("/v1/status");

    const overrideSurvived = await overrideAcrossRestart(daemon, narrator);
    const truth = cloudTruth(simulator);
    const wrongSubnet = inSubnets(truth, [...acknowledged.values()]).wrong + truth.interfacesOutside;

    const left = await allLeave({ daemon, narrator, pods, configuration });
    check(left.failed === 0, `${left.failed} DELs failed`);
    check(left.leases === 0, `${left.leases} leases are left after DEL`);
    const end = await givenBack(daemon, simulator, narrator);
    check(end.addresses === end.minAllocate, `${end.addresses} addresses are left, min-allocate is ${end.minAllocate}`);
    check(end.truth.interfaces.length === 1, `${end.truth.interfaces.length} interfaces are left instead of one`);
    check(end.truth.orphans === 0, `${end.truth.orphans} interfaces belong to nobody`);
    const code = await daemon.stop();
    check(code === 0, `the daemon ended with ${code}`);
    narrator.say(`the daemon shut down ${code === 0 ? "cleanly" : `with ${code}`}`);

    const duplicates = acknowledged.size - new Set(acknowledged.values()).size;
    check(duplicates === 0, `${duplicates} addresses were given twice`);
    check(lost === 0, `${lost} pods lost their address in the kill`);
    check(wrongSubnet === 0, `${wrongSubnet} addresses or interfaces are in a subnet that must not be used`);
    check(overrideSurvived, "the override did not survive the restart");
    const summary: Summary = {
      ok: failures.length === 0,
      pods: acknowledged.size,
      duplicates,
      lostAfterKill: lost,
      wrongSubnet,
      overrideSurvived,
      givenBack: {
        addresses: held(truth) - end.addresses,
        interfaces: truth.interfaces.length - end.truth.interfaces.length,
      },
      addressesLeft: end.addresses,
      ec2Calls: end.truth.callsByAction,
      addMs: { p50: percentile(addMs, 50), p99: percentile(addMs, 99) },
    };
    return { summary, status, addresses: acknowledged, truth, failures };
  } finally {
    await daemon.kill().catch(() => {});
    await simulator.close();
  }
}

async function untilReady(daemon: DaemonProcess, narrator: Narrator): Promise<void> {
  narrator.chapter("The daemon starts");
  const began = performance.now();
  daemon.start();
  const status = await daemon.until<StatusReport>("/v1/status", (answer) => {
    narrator.progress(
      answer.pool.total,
      answer.watermarks.minAllocate,
      `addresses of min-allocate (${answer.waitingFor || "ready"})`,
    );
    return answer.ready && answer.watermarks.needed === 0 && answer.intents.length === 0;
  });
  narrator.say(
    `ready after ${Math.round(performance.now() - began)} ms: ${status.pool.total} addresses for min-allocate ${status.watermarks.minAllocate} on ${status.interfaces.length} interface(s)`,
  );
}

interface Scene {
  readonly daemon: DaemonProcess;
  readonly narrator: Narrator;
  readonly pods: readonly LabPod[];
  readonly configuration: string;
}

/** All pods at once; the daemon is killed in the middle. Answers what was acknowledged before. */
async function burstWithKill({ daemon, narrator, pods, configuration }: Scene) {
  narrator.chapter(`${pods.length} pods at once, and kill -9 in the middle`);
  const acknowledged = new Map<string, string>();
  const addMs: number[] = [];
  let killing: Promise<void> | undefined;
  await Promise.all(
    pods.map(async (pod) => {
      const answer = await callPlugin({
        verb: "ADD",
        containerId: pod.containerId,
        pod,
        configuration,
        environment: daemon.clientEnvironment,
      });
      if (answer.address !== undefined) {
        acknowledged.set(pod.containerId, answer.address);
        addMs.push(answer.durationMs);
        narrator.progress(acknowledged.size, pods.length, "pods have an address");
      }
      if (acknowledged.size >= KILL_AFTER) killing ??= daemon.kill();
    }),
  );
  await (killing ?? daemon.kill());
  narrator.say(
    `killed; ${acknowledged.size} ADDs had been answered, ${pods.length - acknowledged.size} pods were told to try again`,
  );
  return { acknowledged, addMs };
}

/** Restarts the daemon and compares every acknowledged pod with what it holds now. */
async function lostPods({
  daemon,
  narrator,
  acknowledged,
}: Omit<Scene, "pods" | "configuration"> & { acknowledged: ReadonlyMap<string, string> }) {
  const began = performance.now();
  daemon.start();
  await daemon.until<StatusReport>("/v1/status", () => true);
  const leases = await daemon.leases();
  const leased = new Map(leases.map((lease) => [lease.attachment.containerId, lease.address]));
  const lost = [...acknowledged].filter(([containerId, address]) => leased.get(containerId) !== address).length;
  narrator.say(
    `restarted, answers after ${Math.round(performance.now() - began)} ms: ${acknowledged.size - lost} of ${acknowledged.size} acknowledged pods have their address`,
  );
  return lost;
}

/** The runtime repeats ADD for every pod: those who have an address keep it, the others get one. */
async function addTheRest(scene: Scene & { acknowledged: Map<string, string>; addMs: number[] }): Promise<number> {
  const { daemon, narrator, pods, configuration, acknowledged, addMs } = scene;
  narrator.chapter("The runtime tries again");
  const deadline = Date.now() + 60_000;
  const changed: string[] = [];
  const done = new Set<string>();
  await Promise.all(
    pods.map(async (pod) => {
      let answer: PluginAnswer;
      do {
        answer = await callPlugin({
          verb: "ADD",
          containerId: pod.containerId,
          pod,
          configuration,
          environment: daemon.clientEnvironment,
        });
        if (answer.address === undefined) await new Promise((resolve) => setTimeout(resolve, 250));
      } while (answer.address === undefined && Date.now() < deadline);
      if (answer.address === undefined) return;
      addMs.push(answer.durationMs);
      const before = acknowledged.get(pod.containerId);
      if (before !== undefined && before !== answer.address) changed.push(`${before} -> ${answer.address}`);
      acknowledged.set(pod.containerId, answer.address);
      done.add(pod.containerId);
      narrator.progress(done.size, pods.length, "pods have an address");
    }),
  );
  if (changed.length > 0) throw new Error(`repeated ADDs changed addresses: ${changed.join(", ")}`);
  narrator.say(`${done.size} of ${pods.length} pods have an address`);
  return done.size;
}

async function overrideAcrossRestart(daemon: DaemonProcess, narrator: Narrator): Promise<boolean> {
  narrator.chapter("A setting is changed and survives a restart");
  const set = await runCli(["set", "pre-allocate=4", "--socket", daemon.socket], daemon.clientEnvironment);
  if (set.code !== 0) throw new Error(`enid set failed: ${set.stderr}`);
  narrator.say("enid set pre-allocate=4");
  const code = await daemon.stop();
  daemon.start();
  const status = await daemon.until<StatusReport>("/v1/status", (answer) => answer.ready);
  const { values, origins } = status.settings;
  const survived = values["pre-allocate"] === 4 && origins["pre-allocate"].kind === "override";
  narrator.say(
    `restarted (exit ${code}): pre-allocate is ${values["pre-allocate"]} by ${origins["pre-allocate"].kind}`,
  );
  return survived;
}

/** DEL for every pod at once. */
async function allLeave({ daemon, narrator, pods, configuration }: Scene) {
  narrator.chapter("All pods leave");
  const environment = daemon.clientEnvironment;
  const deletions = await Promise.all(
    pods.map((pod) => callPlugin({ verb: "DEL", containerId: pod.containerId, pod, configuration, environment })),
  );
  const deleted = deletions.filter(({ exitCode }) => exitCode === 0).length;
  const leases = (await daemon.leases()).length;
  narrator.say(`${deleted} deleted, ${leases} leases left; their addresses cool down before anyone gets them again`);
  return { failed: pods.length - deleted, leases };
}

/** Waits until all beyond min-allocate is back at EC2, as EC2 itself sees it; the story breaks off when that takes a minute. */
async function givenBack(daemon: DaemonProcess, simulator: RunningSimulator, narrator: Narrator) {
  narrator.chapter("What nobody needs goes back to EC2");
  const began = performance.now();
  const before = cloudTruth(simulator);
  let truth = before;
  const { watermarks } = await daemon.until<StatusReport>(
    "/v1/status",
    ({ intents, watermarks: { excess, minAllocate }, pool }) => {
      truth = cloudTruth(simulator);
      narrator.progress(held(before) - held(truth), held(before) - minAllocate, "addresses given back");
      return intents.length === 0 && pool.cooling === 0 && excess === 0 && held(truth) === minAllocate;
    },
    60_000,
  );
  const [addresses, interfaces] = [held(truth), truth.interfaces.length];
  const seconds = Math.round((performance.now() - began) / 1_000);
  narrator.say(
    `after ${seconds} s ${held(before) - addresses} addresses and ${before.interfaces.length - interfaces} interfaces are gone; ${addresses} addresses on ${interfaces} interface stay, min-allocate is ${watermarks.minAllocate}`,
  );
  narrator.say(
    "here an address cools for 2 s and excess waits 1 s; the defaults are 30 s, 3 minutes and 5 for an interface",
  );
  return { addresses, minAllocate: watermarks.minAllocate, truth };
}

/** Pod addresses that EC2 has on the node's interfaces. */
function held({ interfaces }: CloudTruth): number {
  return interfaces.reduce((sum, { addresses }) => sum + addresses.length, 0);
}

export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = Math.min(sorted.length - 1, Math.ceil((percent / 100) * sorted.length) - 1);
  return Math.round((sorted[Math.max(0, at)] ?? 0) * 100) / 100;
}
