import { afterAll, beforeAll, expect, it } from "vitest";
import { describeAsRoot } from "../support/root.ts";
import type { Environment } from "./environment.ts";
import type { Host, Stream } from "./host.ts";
import type { TestNode } from "./node.ts";

/** What every environment gives to what is tested in it. */
export interface Stage<E extends Environment> {
  readonly environment: E;
  /** Two nodes of it. */
  readonly first: TestNode;
  readonly second: TestNode;
}

/** A test whose failure shows what the nodes and routers are like. The stage is that of the suite. */
export type StagedTest<E extends Environment> = (name: string, body: (stage: Stage<E>) => Promise<void>) => void;

const TEST_LIMIT_MS = 120_000;

/** What an environment is tested for beside the contract. */
export interface OwnTests<E extends Environment> {
  /** Find pods p1, p2, … on the first node and q1 on each other. */
  readonly also?: (test: StagedTest<E>) => void;
  /** Find no pods. */
  readonly atLast?: (test: StagedTest<E>) => void;
}

/**
 * The life of pods and nodes as it must be in every environment. The tests follow one another: what one makes, the next
 * finds.
 */
export function environmentContract<E extends Environment>(
  name: string,
  makeEnvironment: () => Promise<E>,
  { also = () => {}, atLast = () => {} }: OwnTests<E> = {},
): void {
  describeAsRoot(name, () => {
    let environment: E | undefined;
    beforeAll(async () => {
      environment = await makeEnvironment();
    }, TEST_LIMIT_MS);
    afterAll(() => environment?.close(), TEST_LIMIT_MS);

    const test: StagedTest<E> = (title, body) => {
      it(
        title,
        async () => {
          if (environment === undefined) throw new Error("there is no environment");
          await shown(environment, body);
        },
        TEST_LIMIT_MS,
      );
    };
    podsArrive(test);
    podsReach(test);
    also(test);
    daemonsEnd(test);
    nodesReboot(test);
    podsLeave(test);
    atLast(test);
  });
}

async function shown<E extends Environment>(environment: E, body: (stage: Stage<E>) => Promise<void>): Promise<void> {
  const [first, second] = environment.nodes;
  if (first === undefined || second === undefined) throw new Error("an environment has two nodes");
  try {
    await body({ environment, first, second });
  } catch (error) {
    const parts = [environment.describe(), ...environment.nodes.map((node) => node.describe())];
    const texts = await Promise.all(parts.map((part) => part.catch((thrown: Error) => `(${thrown.message})`)));
    if (error instanceof Error) error.message += `\n\n${texts.join("\n\n")}`;
    throw error;
  }
}

const baselines = new WeakMap<TestNode, readonly string[]>();
const everHad = new WeakMap<TestNode, Set<string>>();

/** A pod; its addresses are remembered, so that it can be seen that nothing is left of them. */
async function addPod(node: TestNode, name: string): Promise<Host> {
  const { host } = await node.add(name);
  const had = everHad.get(node) ?? new Set<string>();
  everHad.set(node, had);
  for (const address of host.addresses) had.add(address);
  return host;
}

const othersOf = ({ nodes }: Environment) => nodes.slice(1);
const podNames = (count: number) => Array.from({ length: count }, (_, n) => `p${n + 1}`);

function podsArrive<E extends Environment>(test: StagedTest<E>): void {
  test("ADD on several nodes at once: each pod has an address of its own", async ({ environment, first }) => {
    for (const node of environment.nodes) baselines.set(node, await node.rules());
    const pods = await Promise.all([
      ...podNames(environment.podsOnFirstNode).map((name) => addPod(first, name)),
      ...othersOf(environment).map((node) => addPod(node, "q1")),
    ]);
    const addresses = pods.flatMap((pod) => pod.addresses);
    // One of each family that there is.
    expect(addresses).toHaveLength(pods.length * environment.outside.addresses.length);
    expect(new Set(addresses).size).toBe(addresses.length);
    const leased = await Promise.all(environment.nodes.map((node) => node.leases()));
    expect(leased.map(({ length }) => length)).toEqual([
      environment.podsOnFirstNode,
      ...othersOf(environment).map(() => 1),
    ]);
    for (const address of addresses) expect(leased.flat().join("\n")).toContain(` ${address}`);
  });
}

function podsReach<E extends Environment>(test: StagedTest<E>): void {
  test("ping and TCP between pods of one node", async ({ environment, first }) => {
    const [a, ...others] = podNames(environment.podsOnFirstNode).map((name) => first.pod(name).host);
    for (const other of others) {
      await a?.reaches(other);
      if (a !== undefined) await other.reaches(a);
    }
  });

  test("ping and TCP between pods of different nodes", async ({ environment, first }) => {
    for (const far of othersOf(environment).map((node) => node.pod("q1").host)) {
      for (const name of podNames(environment.podsOnFirstNode)) {
        await first.pod(name).host.reaches(far);
        await far.reaches(first.pod(name).host);
      }
    }
  });

  test("ping and TCP between pods and nodes, their own and others", async ({ environment, first, second }) => {
    const pods = podNames(environment.podsOnFirstNode).map((name) => first.pod(name).host);
    for (const pod of pods) {
      for (const node of [first, second]) {
        await pod.reaches(node.host);
        // To its own pods a node speaks with the gateway's address, which ptp gives to its end of the veth pair.
        await node.host.reaches(pod, { anySource: node === first });
      }
    }
  });

  test("ping and TCP between pods and the outside, which sees the pods' own addresses", async ({
    environment,
    first,
    second,
  }) => {
    const pods = [...podNames(environment.podsOnFirstNode).map((name) => first.pod(name)), second.pod("q1")];
    for (const { host } of pods) {
      await host.reaches(environment.outside);
      await environment.outside.reaches(host);
    }
  });
}

/** Streams of the first node's last pod in all directions and of both families. */
async function streamsOf<E extends Environment>({ environment, first, second }: Stage<E>): Promise<Stream[]> {
  const pod = first.pod(`p${environment.podsOnFirstNode}`).host;
  const { outside } = environment;
  return [
    await pod.streamTo(second.pod("q1").host),
    await pod.streamTo(second.pod("q1").host, { last: true }),
    await pod.streamTo(outside),
    await outside.streamTo(pod, { last: true }),
    await pod.streamTo(first.pod("p1").host),
  ];
}

/** All of them go on. */
export async function allFlow(streams: readonly Stream[], while_: string): Promise<void> {
  await Promise.all(streams.map((stream) => stream.flows(while_)));
}

/** Streams in all directions, ended after the body. */
export async function withStreams<E extends Environment>(
  stage: Stage<E>,
  body: (flow: (while_: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  const streams = await streamsOf(stage);
  try {
    await allFlow(streams, "before anything happens");
    await body((while_) => allFlow(streams, while_));
  } finally {
    await Promise.all(streams.map((stream) => stream.end()));
  }
}

function daemonsEnd<E extends Environment>(test: StagedTest<E>): void {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    test(`${signal} to both daemons: traffic goes on, leases and rules stay, pods come afterwards`, async (stage) => {
      const { first, second } = stage;
      const nodes = [first, second];
      const before = await Promise.all(nodes.map(async (node) => [await node.leases(), await node.rules()]));
      await withStreams(stage, async (flow) => {
        for (const node of nodes) {
          if (signal === "SIGKILL") await node.daemon.kill();
          else expect(await node.daemon.stop()).toBe(0);
        }
        await flow("while no daemon runs");
        expect(await Promise.all(nodes.map((node) => node.rules()))).toEqual(before.map(([, rules]) => rules));
        for (const node of nodes) node.launch();
        await flow("while the daemons start");
        for (const node of nodes) await node.settled();
        await flow("after the daemons started");
      });
      expect(await Promise.all(nodes.map(async (node) => [await node.leases(), await node.rules()]))).toEqual(before);
      const pod = await addPod(second, `after-${signal.toLowerCase()}`);
      await pod.reaches(first.pod("p1").host);
    });
  }
}

function nodesReboot<E extends Environment>(test: StagedTest<E>): void {
  test("reboot: the node comes back without the pods of before and serves new ones", async ({ first, second }) => {
    const peer = first.pod("p1").host;
    await second.reboot();
    second.launch();
    await second.settled();
    expect(await second.leases()).toEqual([]);
    await second.untilNothingIsLeft([...(everHad.get(second) ?? [])]);
    expect(await second.rules()).toEqual(baselines.get(second));
    const pod = await addPod(second, "r1");
    await pod.reaches(peer);
    await peer.reaches(pod);
    await second.host.reaches(pod, { anySource: true });
  });
}

function podsLeave<E extends Environment>(test: StagedTest<E>): void {
  test("the network has nothing to complain of", async ({ environment }) => {
    expect(await environment.complaints()).toEqual([]);
  });

  test("DEL: nothing is left of the pods", async ({ environment }) => {
    for (const node of environment.nodes) {
      await Promise.all([...node.pods.keys()].map((name) => node.del(name)));
      await node.untilNothingIsLeft([...(everHad.get(node) ?? [])]);
      expect(await node.rules()).toEqual(baselines.get(node));
    }
  });
}
