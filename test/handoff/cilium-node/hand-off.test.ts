import { afterEach, describe, expect, it } from "vitest";
import { CILIUM_NODES, type KubernetesObject, LEASES, NODES, PODS } from "../../../src/handoff/cilium-node/api.ts";
import { type AgentHandOff, createCiliumNodeHandOff } from "../../../src/handoff/cilium-node/index.ts";
import type { AgentOffer, AgentReport, AgentService } from "../../../src/handoff/cilium-node/port.ts";
import { DirectKubernetesApi, KubernetesModel, type Way } from "../../../src/simulator/kubernetes/index.ts";
import { seededRandom, VirtualClock } from "../../support/virtual-clock.ts";
import { nodeObject, offeredInterface, offerOf } from "./offers.ts";

const HOUR_MS = 3_600_000;
const running: { handOff: AgentHandOff; clock: VirtualClock }[] = [];

afterEach(async () => {
  for (const { handOff, clock } of running.splice(0)) {
    const stopped = handOff.stop();
    await clock.advance(5_000);
    await stopped;
  }
});

/** The manager as far as the hand-off goes. */
class FakeService implements AgentService {
  offered: AgentOffer | undefined = offerOf([offeredInterface(0, []), offeredInterface(1, ["10.0.1.5", "10.0.1.6"])]);
  readonly reports: AgentReport[] = [];
  readonly #listeners = new Set<() => void>();
  known = new Map<string, string>();

  agentSays(report: AgentReport): void {
    this.reports.push(report);
  }
  offer() {
    return this.offered;
  }
  inUse() {
    return this.known;
  }
  watchOffer(changed: () => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }
  offers(offer: AgentOffer | undefined): void {
    this.offered = offer;
    for (const listener of this.#listeners) listener();
  }
}

interface Options {
  readonly holder?: string;
  readonly dialect?: "auto" | "eni-classic" | "crd";
  readonly watchPods?: boolean;
  readonly startupTaint?: string;
  readonly fullTaint?: string;
}

function stage() {
  const clock = new VirtualClock();
  const model = new KubernetesModel({ nowMs: () => clock.nowMs() });
  const events: string[] = [];
  const ways = { way: { request: true, answer: true } as Way };
  model.create(NODES, { apiVersion: "v1", kind: "Node", metadata: { name: "n" }, spec: {} });
  const begin = (options: Options = {}) => {
    const service = new FakeService();
    const handOff = createCiliumNodeHandOff({
      api: new DirectKubernetesApi({ model, clock, random: seededRandom(), way: () => ways.way }),
      clock,
      random: seededRandom(2),
      telemetry: { event: ({ name }) => events.push(name), cloudCall: () => {}, served: () => {} },
      nodeName: "n",
      dialect: options.dialect ?? "auto",
      watchPods: options.watchPods ?? false,
      startupTaint: options.startupTaint ?? "",
      fullTaint: options.fullTaint ?? "",
      leaseNamespace: "enid",
      holder: options.holder ?? "state-1/process-1",
    });
    handOff.start(service);
    running.push({ handOff, clock });
    return { service, handOff };
  };
  const object = () => model.get(CILIUM_NODES, { name: "n" });
  const pool = () => Object.keys((object()?.spec as { ipam: { pool?: object } } | undefined)?.ipam.pool ?? {});
  const agentWrites = (patch: object, subresource?: "status") =>
    model.patch(CILIUM_NODES, { name: "n" }, { ...patch }, subresource === undefined ? {} : { subresource });
  const uses = (...addresses: string[]) => {
    const used = Object.fromEntries(addresses.map((one) => [one, { owner: `shop/${one}`, resource: "eni-1" }]));
    agentWrites({ status: { ipam: { used: null } } }, "status");
    return agentWrites({ status: { ipam: { used } } }, "status");
  };
  return { clock, model, events, ways, begin, object, pool, agentWrites, uses };
}

describe("the CiliumNode", () => {
  it("is made when it is missing, of its Node, and filled once the agent has said what it is", async () => {
    const { begin, clock, object, pool, agentWrites, events, model } = stage();
    const { handOff } = begin();
    await clock.advance(3_000);
    expect(events).toContain("cilium-node-created");
    const uid = model.get(NODES, { name: "n" })?.metadata.uid;
    expect(object()?.metadata.ownerReferences).toEqual([{ apiVersion: "v1", kind: "Node", name: "n", uid }]);
    expect([pool(), handOff.report()]).toMatchObject([
      [],
      { dialect: "", waitingFor: expect.stringContaining("dialect") },
    ]);
    agentWrites({ spec: { eni: { "instance-type": "m5.large" } } });
    await clock.advance(3_000);
    expect(pool()).toEqual(["10.0.1.5", "10.0.1.6"]);
    expect(handOff.report()).toMatchObject({ dialect: "eni-classic", waitingFor: "", writes: 3 });
  });

  it("is only read and written by its own name", async () => {
    const { begin, clock, model } = stage();
    const other = model.create(CILIUM_NODES, { ...nodeObject(), metadata: { name: "other" } });
    const { service } = begin();
    model.create(CILIUM_NODES, { ...nodeObject(), metadata: { name: "n" } });
    await clock.advance(60_000);
    expect(model.get(CILIUM_NODES, { name: "other" })).toEqual(other);
    expect(service.reports.length).toBeGreaterThan(0);
  });

  it("is written once for changes that come together, and at most once a second", async () => {
    const { begin, clock, model, pool } = stage();
    model.create(CILIUM_NODES, { ...nodeObject(), metadata: { name: "n" } });
    const { service, handOff } = begin();
    await clock.advance(3_000);
    const before = handOff.report().writes;
    const addresses: string[] = ["10.0.1.5", "10.0.1.6"];
    for (let n = 0; n < 20; n++) {
      addresses.push(`10.0.1.${20 + n}`);
      service.offers(offerOf([offeredInterface(1, [...addresses])]));
      await clock.advance(50);
    }
    await clock.advance(5_000);
    expect(pool()).toHaveLength(22);
    expect(handOff.report().writes - before).toBeLessThanOrEqual(6);
  });

  it("is not written for a day in which nothing changes", async () => {
    const { begin, clock, model, uses } = stage();
    model.create(CILIUM_NODES, { ...nodeObject(), metadata: { name: "n" } });
    const { handOff, service } = begin();
    await clock.advance(5_000);
    uses("10.0.1.5");
    await clock.advance(5_000);
    const { writes } = handOff.report();
    const version = model.get(CILIUM_NODES, { name: "n" })?.metadata.resourceVersion;
    for (let hour = 0; hour < 24; hour++) {
      await clock.advance(HOUR_MS);
      service.offers(service.offered);
    }
    expect(handOff.report().writes).toBe(writes);
    expect(model.get(CILIUM_NODES, { name: "n" })?.metadata.resourceVersion).toBe(version);
  }, 60_000);

  it("is patched over what the agent wrote in between (409)", async () => {
    const { begin, clock, model, pool, agentWrites, object } = stage();
    model.create(CILIUM_NODES, { ...nodeObject(), metadata: { name: "n" } });
    const { service, handOff } = begin();
    await clock.advance(3_000);
    // The agent writes while each of enid's writes is on its way.
    for (let n = 0; n < 5; n++) {
      service.offers(offerOf([offeredInterface(1, ["10.0.1.5", `10.0.1.${30 + n}`])]));
      await clock.advance(2);
      agentWrites({ spec: { ipam: { "min-allocate": n + 1 } } });
      await clock.advance(15_000);
      expect(pool().sort()).toEqual(["10.0.1.5", `10.0.1.${30 + n}`].sort());
    }
    expect(handOff.report().conflicts).toBeGreaterThan(0);
    expect(object()?.spec).toMatchObject({ ipam: { "min-allocate": 5 } });
  });

  it("is made anew when somebody deletes it, and what was in use is not taken for free", async () => {
    const { begin, clock, model, uses, events, object } = stage();
    model.create(CILIUM_NODES, { ...nodeObject(), metadata: { name: "n" } });
    const { service } = begin();
    await clock.advance(3_000);
    uses("10.0.1.5", "10.0.1.6");
    await clock.advance(3_000);
    model.delete(CILIUM_NODES, { name: "n" });
    await clock.advance(10_000);
    expect(object()).toBeDefined();
    expect(events).toEqual(expect.arrayContaining(["cilium-node-replaced", "cilium-node-created"]));
    expect(service.reports.at(-1)?.restoring).toBe(true);
  });

  it("survives an API that is away for an hour: nothing is lost, and what changed meanwhile is written then", async () => {
    const { begin, clock, model, ways, pool, uses } = stage();
    model.create(CILIUM_NODES, { ...nodeObject(), metadata: { name: "n" } });
    const { service, handOff } = begin();
    await clock.advance(3_000);
    ways.way = { request: false, answer: false };
    service.offers(offerOf([offeredInterface(1, ["10.0.1.5", "10.0.1.7"])]));
    await clock.advance(HOUR_MS);
    expect(handOff.trouble()?.code).toBe("ENID_KUBERNETES_AWAY");
    expect(pool()).toEqual(["10.0.1.5", "10.0.1.6"]);
    ways.way = { request: true, answer: true };
    uses("10.0.1.5");
    await clock.advance(5 * 60_000);
    expect(pool()).toEqual(["10.0.1.5", "10.0.1.7"]);
    expect(handOff.trouble()).toBeUndefined();
    expect(service.reports.at(-1)?.used).toEqual(new Map([["10.0.1.5", "shop/10.0.1.5"]]));
  });

  it("is listed anew when the server has forgotten the version (410)", async () => {
    const { begin, clock, model, uses } = stage();
    model.create(CILIUM_NODES, { ...nodeObject(), metadata: { name: "n" } });
    const { service } = begin();
    await clock.advance(3_000);
    uses("10.0.1.5");
    model.endWatches(true);
    await clock.advance(10_000);
    expect(service.reports.at(-1)?.used?.size).toBe(1);
    uses("10.0.1.5", "10.0.1.6");
    await clock.advance(3_000);
    expect(service.reports.at(-1)?.used?.size).toBe(2);
  });

  it("is left alone when it speaks another dialect than the settings say", async () => {
    const { begin, clock, model, object } = stage();
    const pools = { requested: [{ pool: "default", needed: { "ipv4-addrs": 9 } }] };
    const made = model.create(CILIUM_NODES, { ...nodeObject({ ipam: { pools } }), metadata: { name: "n" } });
    const { handOff, service } = begin({ dialect: "eni-classic" });
    await clock.advance(60_000);
    expect(handOff.trouble()?.code).toBe("ENID_CILIUM_NODE_DIALECT");
    expect(object()).toEqual(made);
    expect(service.reports).toEqual([]);
  });
});

describe("two enids for one node", () => {
  it("write one at a time: the second waits until the lease of the first is over", async () => {
    const { begin, clock, model, events, pool, ways } = stage();
    model.create(CILIUM_NODES, { ...nodeObject(), metadata: { name: "n" } });
    const first = begin({ holder: "state-1/a" });
    await clock.advance(3_000);
    const second = begin({ holder: "state-2/b" });
    second.service.offers(offerOf([offeredInterface(1, ["10.0.1.99"])]));
    await clock.advance(10 * 60_000);
    expect(pool()).toEqual(["10.0.1.5", "10.0.1.6"]);
    expect(second.handOff.trouble()?.code).toBe("ENID_CILIUM_NODE_OTHER_ENID");
    expect(events).toContain("cilium-node-other-enid");
    const stopped = first.handOff.stop();
    await clock.advance(60_000 * 2);
    await stopped;
    expect(pool()).toEqual(["10.0.1.99"]);
    expect(ways.way.request).toBe(true);
  });

  it("of the same state are one, started anew: it goes on at once", async () => {
    const { begin, clock, model, pool } = stage();
    model.create(CILIUM_NODES, { ...nodeObject(), metadata: { name: "n" } });
    model.create(LEASES, {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: "enid-n", namespace: "enid" },
      spec: { holderIdentity: "state-1/killed", renewTime: "2026-01-01T00:00:00.000000Z", leaseDurationSeconds: 180 },
    });
    begin({ holder: "state-1/next" });
    await clock.advance(3_000);
    expect(pool()).toEqual(["10.0.1.5", "10.0.1.6"]);
  });

  it("take over from one that died, three minutes after its last word", async () => {
    const { begin, clock, model, pool } = stage();
    model.create(CILIUM_NODES, { ...nodeObject(), metadata: { name: "n" } });
    model.create(LEASES, {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: "enid-n", namespace: "enid" },
      spec: { holderIdentity: "state-9/dead", renewTime: "2039-01-01T00:00:00.000000Z", leaseDurationSeconds: 180 },
    });
    begin({ holder: "state-1/next" });
    await clock.advance(170_000);
    expect(pool()).toEqual([]);
    await clock.advance(80_000);
    expect(pool()).toEqual(["10.0.1.5", "10.0.1.6"]);
  });
});

describe("an agent that moves between 1.19 and 1.20", () => {
  it("keeps what it has in both, there and back", async () => {
    const { begin, clock, model, uses, pool, agentWrites, object } = stage();
    model.create(CILIUM_NODES, { ...nodeObject(), metadata: { name: "n" } });
    const { service, handOff } = begin();
    await clock.advance(3_000);
    uses("10.0.1.5");
    await clock.advance(3_000);
    const pools = (cidrs: readonly string[]) => ({
      requested: [{ pool: "default", needed: { "ipv4-addrs": 3 } }],
      allocated: [{ pool: "default", cidrs }],
    });
    agentWrites({ spec: { ipam: { pools: pools(["10.0.1.5/32", "10.0.1.6/32"]) } } });
    await clock.advance(2_000);
    expect(service.reports.at(-1)).toMatchObject({ dialect: "eni-1.20", restoring: true });
    agentWrites({ status: { ipam: { used: null } } }, "status");
    await clock.advance(20_000);
    expect(handOff.report().dialect).toBe("eni-1.20");
    expect(service.reports.at(-1)).toMatchObject({ used: undefined, restoring: false });
    expect(pool()).toEqual(["10.0.1.5", "10.0.1.6"]);
    uses("10.0.1.5");
    await clock.advance(10 * 60_000);
    expect(handOff.report().dialect).toBe("eni-classic");
    expect(service.reports.at(-1)).toMatchObject({ used: new Map([["10.0.1.5", "shop/10.0.1.5"]]), restoring: false });
    expect(object()?.status).toMatchObject({ eni: { enis: { "eni-1": { addresses: ["10.0.1.5", "10.0.1.6"] } } } });
  });
});

describe("demand", () => {
  const pod = (name: string, more: { spec?: object; status?: object } = {}): KubernetesObject => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "shop" },
    spec: { nodeName: "n", ...more.spec },
  });

  it("is pods of the node that have no address: not those of the host's network, nor those that ended", async () => {
    const { begin, clock, model } = stage();
    model.create(CILIUM_NODES, { ...nodeObject(), metadata: { name: "n" } });
    for (const one of [
      pod("a"),
      pod("b"),
      pod("host", { spec: { hostNetwork: true } }),
      pod("done"),
      pod("failed"),
      pod("has"),
      pod("elsewhere", { spec: { nodeName: "other" } }),
    ])
      model.create(PODS, one);
    const say = (name: string, status: object) =>
      model.patch(PODS, { name, namespace: "shop" }, { status }, { subresource: "status" });
    say("done", { phase: "Succeeded" });
    say("failed", { phase: "Failed" });
    say("has", { phase: "Running", podIP: "10.0.1.5" });
    const { service, handOff } = begin({ watchPods: true });
    await clock.advance(3_000);
    expect(handOff.report().waitingPods).toBe(2);
    expect(service.reports.at(-1)?.waiting).toBe(2);
    say("a", { podIP: "10.0.1.6" });
    await clock.advance(3_000);
    expect(service.reports.at(-1)?.waiting).toBe(1);
  });

  it("is not asked of pods where that is off", async () => {
    const { begin, clock, model } = stage();
    model.create(CILIUM_NODES, { ...nodeObject(), metadata: { name: "n" } });
    model.create(PODS, pod("a"));
    const { service } = begin();
    await clock.advance(3_000);
    expect(service.reports.at(-1)?.waiting).toBe(0);
  });
});

describe("taints of the Node", () => {
  const taints = (model: KubernetesModel) =>
    (model.get(NODES, { name: "n" })?.spec as { taints?: { key: string }[] } | undefined)?.taints?.map(
      ({ key }) => key,
    ) ?? [];

  it("of the start goes when the node is ready, that of a full node comes and goes, and others stay in their order", async () => {
    const { begin, clock, model } = stage();
    model.create(CILIUM_NODES, { ...nodeObject(), metadata: { name: "n" } });
    const others = [
      { key: "a", effect: "NoSchedule" },
      { key: "enid.io/not-ready", effect: "NoSchedule" },
      { key: "b" },
    ];
    model.patch(NODES, { name: "n" }, { spec: { taints: others } });
    const { service } = begin({ startupTaint: "enid.io/not-ready", fullTaint: "enid.io/no-free-addresses" });
    const offer = service.offered as AgentOffer;
    service.offers({ ...offer, ready: false });
    await clock.advance(5_000);
    expect(taints(model)).toEqual(["a", "enid.io/not-ready", "b"]);
    service.offers(offer);
    await clock.advance(5_000);
    expect(taints(model)).toEqual(["a", "b"]);
    service.offers({ ...offer, free: 0, error: "the subnet is empty" });
    await clock.advance(5_000);
    expect(taints(model)).toEqual(["a", "b", "enid.io/no-free-addresses"]);
    service.offers(offer);
    await clock.advance(5_000);
    expect(taints(model)).toEqual(["a", "b"]);
  });

  it("are not touched unless the settings name them", async () => {
    const { begin, clock, model } = stage();
    model.create(CILIUM_NODES, { ...nodeObject(), metadata: { name: "n" } });
    model.patch(NODES, { name: "n" }, { spec: { taints: [{ key: "enid.io/not-ready", effect: "NoSchedule" }] } });
    const { service } = begin();
    service.offers({ ...(service.offered as AgentOffer), free: 0, error: "full" });
    await clock.advance(60_000);
    expect(taints(model)).toEqual(["enid.io/not-ready"]);
  });
});
