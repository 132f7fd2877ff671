import {
  CILIUM_NODES,
  type KubernetesApi,
  type KubernetesObject,
  type WatchEvent,
} from "../../../src/handoff/cilium-node/api.ts";
import type { Dialect } from "../../../src/handoff/cilium-node/port.ts";
import { type AgentOptions, CiliumAgent } from "../../../src/simulator/cilium-agent/index.ts";
import { type NodeView, readNode } from "../../../src/simulator/cilium-agent/node-view.ts";
import { DirectKubernetesApi, KubernetesModel } from "../../../src/simulator/kubernetes/index.ts";
import { seededRandom, VirtualClock } from "../../support/virtual-clock.ts";
import { AtOnce } from "./at-once.ts";
import { BadWeather } from "./bad-weather.ts";
import { Operator } from "./operator.ts";

export const NODE = "node-1";
/** Enough for some calls of the API. */
export const SOON_MS = 100;

export interface StageOptions extends Partial<AgentOptions> {
  readonly dialect: Dialect;
  readonly seed?: number;
}

/** A version of the CiliumNode, as somebody who only watches saw it. */
export interface Seen {
  readonly atMs: number;
  readonly node: NodeView | undefined;
}

/** An agent, whoever serves its node, and the API between them, on one virtual clock. */
export class Stage {
  readonly clock: VirtualClock = new VirtualClock();
  readonly model: KubernetesModel;
  /** Of all but the agent; takes no time. */
  readonly kubernetes: KubernetesApi;
  /** The agent's way to the API. */
  readonly way: BadWeather;
  readonly operator: Operator;
  readonly agent: CiliumAgent;
  readonly seen: Seen[] = [];
  readonly log: string[] = [];
  readonly #watch = new AbortController();

  constructor({ dialect, seed = 1, ...others }: StageOptions) {
    const clock = others.clock ?? this.clock;
    this.model = new KubernetesModel({ nowMs: () => clock.nowMs() });
    this.kubernetes = new AtOnce(this.model);
    this.way = new BadWeather(new DirectKubernetesApi({ model: this.model, clock, random: seededRandom(seed + 1) }));
    this.operator = new Operator(this.kubernetes, NODE, dialect);
    this.agent = new CiliumAgent({
      nodeName: NODE,
      nodeUid: "uid-of-the-node",
      api: this.way,
      clock: this.clock,
      random: seededRandom(seed),
      dialect,
      configuration: {
        instanceId: "i-1",
        eni: { "first-interface-index": 1, "subnet-tags": { pods: "true" }, "instance-type": "m5.large" },
        minAllocate: 0,
        preAllocate: 4,
        maxAllocate: 0,
      },
      house: [],
      log: (text) => this.log.push(`${this.clock.nowMs()} ${text}`),
      ...others,
    });
  }

  /** Somebody watches all versions of the CiliumNode from now on. */
  async watch(): Promise<void> {
    const { resourceVersion } = await this.kubernetes.list(CILIUM_NODES, {});
    const tell = (event: WatchEvent) => {
      if (event.kind === "bookmark") return;
      const node = event.kind === "deleted" ? undefined : readNode(event.object);
      this.seen.push({ atMs: this.clock.nowMs(), node });
    };
    this.kubernetes.watch(CILIUM_NODES, {}, resourceVersion, tell, this.#watch.signal).catch(() => undefined);
  }

  async end(): Promise<void> {
    this.agent.stop();
    this.#watch.abort();
    await this.clock.drain();
  }

  /** A serving agent with addresses to give: two interfaces of `each`. */
  async serving(each = 4): Promise<this> {
    await this.watch();
    const started = this.agent.start();
    await this.clock.advance(SOON_MS);
    this.operator.addInterface("eni-1", 1).grow("eni-1", each);
    this.operator.addInterface("eni-2", 2).grow("eni-2", each);
    await this.operator.publish();
    await this.clock.advance(120_000);
    await started;
    return this;
  }

  async object(): Promise<KubernetesObject> {
    const object = await this.kubernetes.get(CILIUM_NODES, { name: NODE });
    if (object === undefined) throw new Error("there is no CiliumNode");
    return object;
  }

  async node(): Promise<NodeView> {
    return readNode(await this.object());
  }

  /** Pods of these names, each with an address; waits for those that get none at once. */
  async run(...names: string[]): Promise<string[]> {
    const addresses: string[] = [];
    for (const name of names) addresses.push(await this.agent.allocate(`default/${name}`));
    return addresses;
  }

  /** When `used` changed, ms. */
  usedChangesMs(): readonly number[] {
    const texts = this.seen.map(({ atMs, node }) => ({ atMs, text: JSON.stringify([...(node?.used ?? [])].sort()) }));
    return texts.filter(({ text }, index) => text !== (texts[index - 1]?.text ?? "[]")).map(({ atMs }) => atMs);
  }
}

/** The reason that an allocation was refused with. */
export async function refusal(allocation: Promise<string>): Promise<string> {
  return allocation.then(
    (address) => `got ${address}`,
    (thrown: Error) => thrown.message,
  );
}
