import { beforeEach, describe, expect, it } from "vitest";
import { effectiveSettings } from "../../src/configuration/index.ts";
import type { StatusReport } from "../../src/manager/index.ts";
import { POD_SUBNETS } from "../../src/simulator/world/draw/place.ts";
import { breachesAtRest, leftovers, unrest } from "../../src/simulator/world/promises/index.ts";
import { configurationOf } from "../../src/simulator/world/sections-text.ts";
import { block, eni } from "../contracts/store-records.ts";
import {
  ADDRESS,
  FORBIDDEN,
  INSTANCE,
  leased,
  numbers,
  PREFIX,
  PRIMARY,
  PromiseStage,
  SECOND,
  sandboxOf,
} from "./promise-stage.ts";

const CIDRS = [`${ADDRESS}/32`, `${SECOND}/32`, PREFIX];
/** Of `enid status`; both are full unless told otherwise. */
const interfaceOf = (id: string, usable: boolean, more: { counts?: object; madeBy?: string } = {}) => ({
  ...{ id, usable, slots: 9, madeBy: "other", ...more },
  counts: { total: 9, free: 0, leased: 9, cooling: 0, releasing: 0, ...more.counts },
});
const INTERFACES = [interfaceOf(PRIMARY, true), interfaceOf(FORBIDDEN, false)];
/** Of an instance on which no interface more has a place, or one. */
const FULL = { limits: { maxInterfaces: 2 } };
const ROOM = { limits: { maxInterfaces: 3 } };

let stage: PromiseStage;
let taken: Set<string>;

/** `enid status` of a machine that is as it must be, but for what is given. */
function serves(status: object = {}): void {
  stage.serves({ interfaces: INTERFACES, ...status } as unknown as Partial<StatusReport>);
}

const open = () => unrest(stage.cloud, stage.machine, (what) => taken.has(what));

beforeEach(async () => {
  stage = new PromiseStage();
  taken = new Set();
  await stage.commit(
    { kind: "interface-put", interface: eni(PRIMARY, { deviceIndex: 0 }) },
    { kind: "blocks-put", blocks: CIDRS.map((cidr) => block(cidr, PRIMARY, cidr === PREFIX ? "prefix" : "address")) },
  );
  serves();
});

describe("what keeps a machine from being at rest", () => {
  it("is nothing where pool, disk and EC2 agree and nothing is open", () => {
    expect(open()).toEqual([]);
  });

  it("is a daemon that does not serve, or a machine that is off", () => {
    const { daemon } = stage.staged;
    if (daemon === undefined) throw new Error("it was staged");
    daemon.up = false;
    expect(open()).toEqual(["the daemon does not serve"]);
    daemon.up = true;
    stage.staged.on = false;
    expect(open()).toEqual(["the daemon does not serve"]);
  });

  it("is a node that still grows, unless it can have no more", () => {
    const growing = (more: object) => {
      serves({ phase: "growing", waitingFor: "min-allocate", node: FULL, ...more });
      return open();
    };
    expect(growing({})).toEqual([]);
    expect(growing({ node: ROOM })).toEqual(["it is growing: min-allocate"]);
    expect(growing({ node: undefined })).toHaveLength(1);
    expect(growing({ phase: "starting" })).toHaveLength(1);
    // One that carries pods has free addresses, or free slots.
    const [, other] = INTERFACES;
    expect(growing({ interfaces: [interfaceOf(PRIMARY, true, { counts: { free: 1 } }), other] })).toHaveLength(1);
    expect(growing({ interfaces: [interfaceOf(PRIMARY, true, { counts: { total: 8 } }), other] })).toHaveLength(1);
    // Its own that may carry no pods any more has to make room, once nothing is in use on it.
    const leaving = (counts: object) => interfaceOf(FORBIDDEN, false, { madeBy: "enid", counts });
    expect(growing({ interfaces: [interfaceOf(PRIMARY, true), leaving({ leased: 1 })] })).toEqual([]);
    expect(growing({ interfaces: [interfaceOf(PRIMARY, true), leaving({ leased: 0, cooling: 1 })] })).toEqual([]);
    expect(growing({ interfaces: [interfaceOf(PRIMARY, true), leaving({ leased: 0 })] })).toHaveLength(1);
  });

  it("is a step that has not ended", () => {
    serves({ intents: [{ kind: "add-blocks", target: PRIMARY, state: "unsettled" }] });
    expect(open()).toEqual([`add-blocks of ${PRIMARY} is unsettled`]);
  });

  it("is a pod that waits", () => {
    const { pod } = sandboxOf("waits");
    stage.waiting.set(pod.uid, { pod, sinceMs: 0 } as never);
    expect(open()).toEqual([expect.stringMatching(/^1 pods wait/)]);
    serves({ pool: { total: 27, free: 0 } });
    expect(open()).toHaveLength(1);
  });

  it("is a lease that outlives its sandbox, also when another one has its address", async () => {
    const forgotten = sandboxOf("forgotten");
    await stage.commit(leased(forgotten, ADDRESS));
    const [said] = open();
    expect(said).toBe(`the lease of ${ADDRESS} outlives its sandbox ${forgotten.containerId.slice(0, 12)}`);
    stage.running.set(ADDRESS, forgotten);
    expect(open()).toEqual([]);
    stage.running.set(ADDRESS, sandboxOf("other"));
    expect(open()).toEqual([said]);
  });

  it("is a pod that waits while an address is free, even where no more can come", () => {
    const { pod } = sandboxOf("waits");
    stage.waiting.set(pod.uid, { pod, sinceMs: 0 } as never);
    serves({ node: FULL });
    expect(open()).toEqual([]);
    serves({ node: ROOM });
    expect(open()).toHaveLength(1);
    serves({ node: FULL, interfaces: [interfaceOf(PRIMARY, true, { counts: { free: 1 } }), INTERFACES[1]] });
    expect(open()).toHaveLength(1);
    // What is free where no pod gets it is nobody's.
    serves({ node: FULL, interfaces: [INTERFACES[0], interfaceOf(FORBIDDEN, false, { counts: { free: 1 } })] });
    expect(open()).toEqual([]);
  });

  it("is a state of giving way, but for those that tell of something that is so", () => {
    const degraded = (...names: string[]) => names.map((name) => ({ name, error: { message: "why" } }));
    serves({ degraded: degraded("cloud-away", "giving-back-failing") });
    expect(open()).toEqual(["cloud-away: why", "giving-back-failing: why"]);
    serves({ degraded: degraded("instance-full", "no-ipv6") });
    expect(open()).toEqual([]);
    const denied = { degraded: degraded("address-denied"), lost: [{ address: ADDRESS }, { address: SECOND }] };
    serves(denied);
    taken.add(ADDRESS);
    expect(open()).toEqual(["address-denied: why"]);
    taken.add(SECOND);
    expect(open()).toEqual([]);
    // Also with the interface that carried it.
    taken.clear();
    serves({ ...denied, lost: [{ address: "10.65.0.40" }] });
    expect(open()).toHaveLength(1);
    taken.add(PRIMARY);
    expect(open()).toEqual([]);
  });

  it("is a block that EC2 has and the pool does not know, or that the pool has and EC2 has not", async () => {
    await stage.commit({ kind: "blocks-remove", cidrs: [`${SECOND}/32`] });
    expect(open()).toEqual([`${SECOND}/32 on ${PRIMARY} is leaked: the pool does not know it`]);
    taken.add(SECOND);
    expect(open()).toEqual([]);
    await stage.commit({ kind: "blocks-put", blocks: [block("10.65.0.99/32", PRIMARY)] });
    expect(open()).toEqual([`the pool has 10.65.0.99/32, which EC2 has not on ${PRIMARY}`]);
    taken.add("10.65.0.99");
    expect(open()).toEqual([]);
  });

  it("is no primary address in the pool, and nothing on an interface that carries no pods", async () => {
    const primary = stage.cloud.interface(PRIMARY)?.primaryAddress;
    await stage.commit({ kind: "blocks-put", blocks: [block(`${primary}/32`, PRIMARY)] });
    expect(open()).toEqual([]);
    serves({ interfaces: [interfaceOf(PRIMARY, true), interfaceOf(FORBIDDEN, true)] });
    expect(open()).toEqual([`10.67.0.10/32 on ${FORBIDDEN} is leaked: the pool does not know it`]);
  });

  it("is an interface that is attached and unknown, or known and not attached", async () => {
    serves({ interfaces: [interfaceOf(PRIMARY, true)] });
    expect(open()).toEqual([`${FORBIDDEN} is attached and unknown`]);
    serves();
    await stage.commit({ kind: "interface-put", interface: eni("eni-gone") });
    expect(open()).toEqual(["the disk has eni-gone, which is not attached"]);
    taken.add("eni-gone");
    expect(open()).toEqual([]);
  });

  it("is no block of an interface that carries no pods, whatever EC2 has there", async () => {
    await stage.commit(
      { kind: "interface-put", interface: eni(FORBIDDEN) },
      { kind: "blocks-put", blocks: [block("10.67.0.99/32", FORBIDDEN)] },
    );
    expect(open()).toEqual([]);
    serves({ interfaces: [interfaceOf(PRIMARY, true), interfaceOf(FORBIDDEN, true)] });
    expect(open()).toContain(`the pool has 10.67.0.99/32, which EC2 has not on ${FORBIDDEN}`);
  });

  it("is an IPv6 prefix that the pool does not know, where pods have IPv6", () => {
    stage.cloud.foreignCall("AssignIpv6Addresses", { NetworkInterfaceId: PRIMARY, Ipv6PrefixCount: 1 });
    expect(open()).toEqual([]);
    serves({ ipFamilies: "dual" });
    expect(open()).toEqual([expect.stringMatching(/::\/80 on eni-.* is leaked/)]);
  });

  it("is an interface of its own that hangs on nothing", () => {
    const { id } = stage.cloud.place({ subnet: POD_SUBNETS[0], tags: { "enid.io/instance-id": INSTANCE } });
    stage.cloud.place({ subnet: POD_SUBNETS[0], tags: { "enid.io/instance-id": "i-another" } });
    stage.cloud.changeInterface(FORBIDDEN, { tags: { "enid.io/instance-id": INSTANCE } });
    expect(open()).toEqual([`${id} was made by enid and hangs on nothing`]);
    taken.add(id);
    expect(open()).toEqual([]);
  });
});

describe("what a machine at rest must keep besides", () => {
  const settings = (ipam: Record<string, unknown>) =>
    effectiveSettings(configurationOf({ ...stage.staged.sections, ipam }), {});

  it("is the settings of its file, and a plan that wants nothing more", () => {
    stage.serves({ settings: settings({}) });
    expect(breachesAtRest(stage.machine)).toEqual([]);
    stage.serves({ settings: settings({ "pre-allocate": 3 }) });
    expect(numbers(breachesAtRest(stage.machine))).toEqual([11]);
    const reason = "one is missing";
    const step = { kind: "add-blocks", interfaceId: PRIMARY, subnetId: POD_SUBNETS[0], count: 1, reason } as const;
    stage.serves({ settings: settings({}) }, [step]);
    expect(numbers(breachesAtRest(stage.machine))).toEqual([8]);
    stage.serves({ settings: settings({}) }, [{ kind: "remove-interface", interfaceId: PRIMARY, reason }]);
    expect(breachesAtRest(stage.machine)).toEqual([]);
  });
});

describe("what dead instances left behind", () => {
  const left = () => leftovers(stage.cloud, [stage.machine]);
  const tags = (instanceId: string, cluster = "shop") => ({
    "enid.io/cluster": cluster,
    "enid.io/instance-id": instanceId,
  });

  it("is an interface of the cluster that hangs on nothing and is of no living instance", () => {
    const subnet = POD_SUBNETS[0];
    stage.cloud.place({ subnet, tags: tags(INSTANCE) });
    stage.cloud.place({ subnet, tags: tags("i-dead", "another") });
    const attachment = { instance: INSTANCE, deviceIndex: 2 };
    stage.cloud.place({ subnet, tags: tags("i-dead"), attachment });
    expect(left()).toEqual([]);
    const { id } = stage.cloud.place({ subnet, tags: tags("i-dead") });
    expect(left()).toEqual([`${id} of i-dead`]);
    stage.cloud.erase(id);
    expect(left()).toEqual([]);
  });

  it("is nothing where no node sweeps", () => {
    stage.cloud.place({ subnet: POD_SUBNETS[0], tags: tags("i-dead") });
    expect(left()).toHaveLength(1);
    delete stage.staged.sections.eni["cluster-name"];
    expect(left()).toEqual([]);
  });
});
