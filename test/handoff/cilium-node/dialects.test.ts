import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../../src/handoff/cilium-node/api.ts";
import { Detecting } from "../../../src/handoff/cilium-node/dialects/detecting.ts";
import { patchesFor } from "../../../src/handoff/cilium-node/dialects/patches.ts";
import { lackingToStart, releasesFor } from "../../../src/handoff/cilium-node/dialects/pool.ts";
import {
  ANSWER_STANDS_MS,
  IDLE_MS,
  type ReportContext,
  Reporting,
  SETTLED_MS,
  WITHHELD_MS,
} from "../../../src/handoff/cilium-node/dialects/reporting.ts";
import type { AgentOffer, Dialect } from "../../../src/handoff/cilium-node/port.ts";
import { readCiliumNode } from "../../../src/handoff/cilium-node/resource.ts";
import { readNode } from "../../../src/simulator/cilium-agent/node-view.ts";
import { faultsOf } from "../../../src/simulator/cilium-agent/rules.ts";
import { mergePatch } from "../../../src/simulator/kubernetes/merge-patch.ts";
import { nodeObject, offeredInterface, offerOf } from "./offers.ts";

const SAID = { keepsPool: true, error: "" };

interface Write {
  readonly part: "status" | "spec";
  readonly patch: Readonly<Record<string, unknown>>;
  readonly after: KubernetesObject;
}

/** All writes until nothing is left to be written: the status before the spec, each over what the one before left. */
function writes(offer: AgentOffer, from: KubernetesObject, dialect: Dialect | undefined, said = SAID): Write[] {
  const done: Write[] = [];
  let object = from;
  for (let round = 0; round < 6; round++) {
    const patches = patchesFor(offer, readCiliumNode(object), { dialect, isMoving: false }, said);
    const part = patches.status === undefined ? "spec" : "status";
    const patch = patches[part];
    if (patch === undefined) return done;
    object = mergePatch(object, { [part]: patch }) as KubernetesObject;
    done.push({ part, patch, after: object });
  }
  throw new Error("it never comes to an end");
}

const settled = (offer: AgentOffer, from: KubernetesObject, dialect: Dialect | undefined) =>
  writes(offer, from, dialect).at(-1)?.after ?? from;

describe("what enid writes", () => {
  const offer = offerOf([offeredInterface(0, []), offeredInterface(1, ["10.0.1.5", "10.0.1.6"])]);

  it("with ipam crd: the pool, and nothing of interfaces", () => {
    const [first, ...more] = writes(offer, nodeObject({ eni: {} }), "crd");
    expect(more).toEqual([]);
    expect(first).toMatchObject({ part: "spec", patch: { ipam: { pool: { "10.0.1.5": { resource: "eni-1" } } } } });
    expect(readNode(first?.after as KubernetesObject).interfaces).toEqual([]);
  });

  it("with ipam eni up to 1.19: the interfaces in full, and then the pool", () => {
    const all = writes(offer, nodeObject(), "eni-classic");
    expect(all.map(({ part }) => part)).toEqual(["status", "spec"]);
    expect(all[0]?.patch).toEqual({
      eni: {
        enis: {
          "eni-0": expect.objectContaining({ number: 0, addresses: [] }),
          "eni-1": {
            id: "eni-1",
            ip: "10.0.1.4",
            mac: "02:00:00:00:00:01",
            "availability-zone": "eu-central-1a",
            description: "served by enid",
            number: 1,
            subnet: { id: "subnet-1", cidr: "10.0.0.0/16" },
            vpc: { id: "vpc-1", "primary-cidr": "10.0.0.0/8", cidrs: ["100.64.0.0/16"] },
            addresses: ["10.0.1.5", "10.0.1.6"],
            "security-groups": ["sg-1"],
            tags: {},
          },
        },
      },
    });
  });

  it("with ipam eni from 1.20 on: the interfaces alone, with their prefixes", () => {
    const addresses = Array.from({ length: 16 }, (_, n) => `10.0.2.${16 + n}`);
    const two = offeredInterface(2, addresses, { prefixes: ["10.0.2.16/28"], ipv6Prefixes: ["2001:db8:1:2:3::/80"] });
    const all = writes(offerOf([two]), nodeObject(), "eni-1.20", { keepsPool: false, error: "" });
    expect(all.map(({ part }) => part)).toEqual(["status"]);
    expect(all[0]?.patch).toMatchObject({
      eni: { enis: { "eni-2": { addresses, prefixes: ["10.0.2.16/28"], "ipv6-prefixes": ["2001:db8:1:2:3::/80"] } } },
    });
  });

  it("keeps the pool for an older agent that may come back, where the dialect is found out", () => {
    const after = settled(offer, nodeObject(), "eni-1.20");
    expect([...(readNode(after).pool?.keys() ?? [])]).toEqual(["10.0.1.5", "10.0.1.6"]);
  });

  it("while the dialect is not known: interfaces, which no agent minds", () => {
    expect(writes(offer, nodeObject({ eni: {} }), undefined).map(({ part }) => part)).toEqual(["status"]);
  });

  it("says why there are no more addresses, and takes that back", () => {
    const object = settled(offer, nodeObject(), "eni-classic");
    const [said] = writes(offer, object, "eni-classic", { keepsPool: true, error: "subnet full" });
    expect(said?.patch).toEqual({ ipam: { "operator-status": { error: "subnet full" } } });
    const [over] = writes(offer, said?.after as KubernetesObject, "eni-classic");
    expect(over?.patch).toEqual({ ipam: { "operator-status": { error: null } } });
  });

  it("touches no field of the agent's", () => {
    const own = {
      spec: {
        eni: { "instance-type": "m5.large", "subnet-tags": { a: "b" } },
        ipam: { "min-allocate": 3, "pre-allocate": 8, pools: { requested: [{ pool: "default" }], allocated: [] } },
      },
      status: { ipam: { used: { "10.0.1.5": { owner: "a/b", resource: "eni-1" } } } },
    };
    const { spec, status } = settled(offer, nodeObject(own.spec, own.status), "eni-classic");
    expect(spec).toMatchObject(own.spec);
    expect(status).toMatchObject(own.status);
  });

  it("never withdraws what a pod has, though it is offered no more", () => {
    const before = settled(offer, nodeObject(), "eni-classic");
    const used = { ipam: { used: { "10.0.1.6": { owner: "a/b", resource: "eni-1" } } } };
    const inUse = mergePatch(before, { status: used }) as KubernetesObject;
    const view = readNode(settled(offerOf([offeredInterface(0, [])]), inUse, "eni-classic"));
    expect([...(view.pool?.keys() ?? [])]).toEqual(["10.0.1.6"]);
    expect(view.interfaces.map(({ id }) => id).sort()).toEqual(["eni-0", "eni-1"]);
  });

  it("takes nothing over from another instance of the same name", () => {
    const old = settled(offer, nodeObject(), "eni-classic");
    const used = { ipam: { used: { "10.0.1.6": { owner: "a/b", resource: "eni-1" } } } };
    const left = mergePatch(old, { status: used }) as KubernetesObject;
    const another = offerOf([offeredInterface(7, ["10.0.7.5"])], { instanceId: "i-2" });
    const view = readNode(settled(another, left, "eni-classic"));
    expect([...(view.pool?.keys() ?? [])]).toEqual(["10.0.7.5"]);
    expect(view.interfaces.map(({ id }) => id)).toEqual(["eni-7"]);
  });

  const octets = fc.integer({ min: 5, max: 250 });
  const addresses = (number: number) =>
    fc.uniqueArray(octets, { maxLength: 12 }).map((all) => all.map((last) => `10.0.${number}.${last}`));
  const offers = fc
    .tuple(addresses(0), addresses(1), addresses(2), fc.boolean(), fc.boolean())
    .map(([a, b, c, hasTwo, hasOne]) =>
      offerOf([
        offeredInterface(0, a),
        ...(hasOne ? [offeredInterface(1, b)] : []),
        ...(hasTwo ? [offeredInterface(2, c)] : []),
      ]),
    );

  it("comes to an end from wherever it begins, names what is offered, and no agent rejects any version on the way", () => {
    fc.assert(
      fc.property(
        offers,
        offers,
        fc.constantFrom<Dialect>("crd", "eni-classic", "eni-1.20"),
        (first, second, dialect) => {
          const from = nodeObject(dialect === "crd" ? { eni: {} } : {});
          const all = [...writes(first, from, dialect)];
          all.push(...writes(second, all.at(-1)?.after ?? from, dialect));
          const view = readNode(all.at(-1)?.after ?? from);
          const offered = second.interfaces.flatMap((one) => one.addresses).sort();
          expect([...(view.pool?.keys() ?? [])].sort()).toEqual(offered);
          if (dialect === "crd") return;
          expect(view.interfaces.flatMap((one) => one.addresses).sort()).toEqual(offered);
          for (const { after } of all) expect(faultsOf(readNode(after))).toEqual([]);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("the rules by which agents reject a CiliumNode", () => {
  const offer = offerOf([offeredInterface(1, ["10.0.1.5"])]);
  const good = settled(offer, nodeObject(), "eni-classic");
  const broken = (patch: object) =>
    faultsOf(readNode(mergePatch(good, patch) as KubernetesObject)).map(({ rule }) => rule);
  const eni = (one: object) => ({ status: { eni: { enis: { "eni-1": one } } } });

  it.each([
    ["vpc-primary-cidr-missing", eni({ vpc: { "primary-cidr": null } })],
    ["vpc-cidr-empty", eni({ vpc: { cidrs: [""] } })],
    ["interface-ip-missing", eni({ ip: null })],
    ["subnet-cidr-missing", eni({ subnet: { cidr: null } })],
    ["pool-resource-unknown", { spec: { ipam: { pool: { "10.0.9.9": { resource: "eni-9" } } } } }],
    ["pool-address-not-on-interface", { spec: { ipam: { pool: { "10.0.9.9": { resource: "eni-1" } } } } }],
  ] as const)("%s: enid's has it in order, and mends it", (rule, patch) => {
    expect(faultsOf(readNode(good))).toEqual([]);
    expect(broken(patch)).toContain(rule);
    const mended = settled(offer, mergePatch(good, patch) as KubernetesObject, "eni-classic");
    expect(faultsOf(readNode(mended))).toEqual([]);
  });

  it("vpc-cidr-empty: an empty CIDR of the VPC is left out", () => {
    const after = settled({ ...offer, vpcCidrs: ["10.0.0.0/8", ""] }, nodeObject(), "eni-classic");
    expect(faultsOf(readNode(after))).toEqual([]);
  });
});

describe("the release handshake", () => {
  const offer = offerOf([offeredInterface(1, ["10.0.1.5", "10.0.1.6"])], { wantedBack: ["10.0.1.5"] });
  const releases = (from: object, by: AgentOffer = offer, used: object = {}) =>
    releasesFor(by, readCiliumNode(nodeObject({}, { ipam: { "release-ips": from, used } })));

  it("asks for what is wanted back", () => {
    expect(releases({})).toEqual({ "10.0.1.5": "marked-for-release" });
  });

  it.each(["marked-for-release", "ready-for-release", "do-not-release"])(
    "leaves %s as it is while it is wanted",
    (state) => {
      expect(releases({ "10.0.1.5": state })).toEqual({ "10.0.1.5": state });
    },
  );

  it.each(["marked-for-release", "ready-for-release", "do-not-release"])(
    "drops %s when it is wanted no more",
    (state) => {
      expect(releases({ "10.0.1.5": state }, { ...offer, wantedBack: [] })).toEqual({});
    },
  );

  it("says released once an address that was let go has left what is offered, and leaves that to the agent", () => {
    const without = offerOf([offeredInterface(1, ["10.0.1.6"])]);
    expect(releases({ "10.0.1.5": "ready-for-release" }, without)).toEqual({ "10.0.1.5": "released" });
    expect(releases({ "10.0.1.5": "released" }, without)).toEqual({ "10.0.1.5": "released" });
    expect(releases({}, without)).toEqual({});
  });

  it("keeps the answer of one that is on its way back", () => {
    const leaving = { ...offer, wantedBack: [], leaving: ["10.0.1.5"] };
    expect(releases({ "10.0.1.5": "ready-for-release" }, leaving)).toEqual({ "10.0.1.5": "ready-for-release" });
  });

  it("drops a released entry of an address that EC2 gave to the node anew", () => {
    expect(releases({ "10.0.1.6": "released" }, { ...offer, wantedBack: [] })).toEqual({});
  });

  it("says released of nothing that a pod has (cilium/cilium#39981)", () => {
    const without = offerOf([offeredInterface(1, ["10.0.1.6"])]);
    const used = { "10.0.1.5": { owner: "a/b", resource: "eni-1" } };
    expect(releases({ "10.0.1.5": "ready-for-release" }, without, used)).toEqual({});
  });
});

describe("which dialect the agent speaks", () => {
  const used = { ipam: { used: { "10.0.1.5": { owner: "a/b", resource: "eni-1" } } } };
  const pools = { ipam: { pools: { requested: [{ pool: "default", needed: { "ipv4-addrs": 9 } }] } } };
  const MINUTE_MS = 60_000;

  it("is told by used, by pools.requested, and by spec.eni before either", () => {
    const of = (spec: object, status: object) =>
      new Detecting("auto").look(readCiliumNode(nodeObject(spec, status)), 0).dialect;
    expect(of({}, {})).toBe("eni-classic");
    expect(of({}, used)).toBe("eni-classic");
    expect(of(pools, {})).toBe("eni-1.20");
    expect(of({ eni: {} }, used)).toBeUndefined();
  });

  it("moves to 1.20 with the new agent's first words, and is settled when the old ones are cleared", () => {
    const detecting = new Detecting("auto");
    const look = (spec: object, status: object, minutes: number) =>
      detecting.look(readCiliumNode(nodeObject(spec, status)), minutes * MINUTE_MS);
    expect(look({}, used, 0)).toEqual({ dialect: "eni-classic", isMoving: false });
    expect(look(pools, used, 1)).toEqual({ dialect: "eni-1.20", isMoving: true });
    expect(look(pools, {}, 2)).toEqual({ dialect: "eni-1.20", isMoving: false });
    // And back: requested stays behind for good.
    expect(look(pools, used, 3)).toEqual({ dialect: "eni-classic", isMoving: true });
    expect(look(pools, used, 9)).toEqual({ dialect: "eni-classic", isMoving: false });
  });

  it("is what the settings say, unless what is seen contradicts that", () => {
    const mismatch = (configured: Dialect, spec: object, status: object) =>
      new Detecting(configured).look(readCiliumNode(nodeObject(spec, status)), 0).mismatch?.code;
    expect(mismatch("eni-classic", {}, used)).toBeUndefined();
    expect(mismatch("crd", { eni: {} }, used)).toBeUndefined();
    for (const [configured, spec, status] of [
      ["eni-classic", pools, {}],
      ["crd", pools, {}],
      ["eni-1.20", {}, used],
      ["crd", {}, used],
    ] as const) {
      expect(mismatch(configured, spec, status), configured).toBe("ENID_CILIUM_NODE_DIALECT");
    }
  });
});

describe("what an agent is taken to say", () => {
  const entry = (owner: string) => ({ owner, resource: "eni-1" });
  const usedBy = (...names: string[]) =>
    Object.fromEntries(names.map((name, n) => [`10.0.1.${10 + n}`, entry(`shop/${name}`)]));
  const classic = (used: object, releases: object = {}) =>
    readCiliumNode(nodeObject({}, { ipam: { used, "release-ips": releases } }));
  const context = (nowMs: number, more: Partial<ReportContext> = {}): ReportContext => ({
    dialect: "eni-classic",
    nowMs,
    preAllocate: 2,
    waiting: 0,
    isMoving: false,
    blocks: [],
    isGone: () => false,
    ...more,
  });

  it("names owners without the agent's remark on those that it found again", () => {
    const said = new Reporting().report(classic({ "10.0.1.5": entry("shop/a [restored]") }), context(0));
    expect(said.used).toEqual(new Map([["10.0.1.5", "shop/a"]]));
  });

  it("is restoring when all it used is gone at once, until it is back (cilium/cilium#9888)", () => {
    const reporting = new Reporting();
    expect(reporting.report(classic(usedBy("a", "b")), context(0)).restoring).toBe(false);
    expect(reporting.report(classic({}), context(1_000)).restoring).toBe(true);
    expect(reporting.report(classic(usedBy("a")), context(2_000)).restoring).toBe(true);
    expect(reporting.report(classic(usedBy("a", "b")), context(3_000)).restoring).toBe(false);
  });

  it("is restoring from the first look on, after what a process before had heard", () => {
    const reporting = new Reporting();
    reporting.begin(new Map([["10.0.1.10", "shop/a"]]));
    expect(reporting.report(classic({}), context(0)).restoring).toBe(true);
  });

  it("is believed when it says the same for five minutes, or when the pods are seen to be gone", () => {
    const [slow, watched] = [new Reporting(), new Reporting()];
    for (const one of [slow, watched]) one.report(classic(usedBy("a", "b", "c", "d")), context(0));
    expect(slow.report(classic(usedBy("a")), context(1_000)).restoring).toBe(true);
    expect(slow.dueMs).toBe(1_000 + SETTLED_MS);
    expect(slow.report(classic(usedBy("a")), context(SETTLED_MS)).restoring).toBe(true);
    expect(slow.report(classic(usedBy("a")), context(1_000 + SETTLED_MS)).restoring).toBe(false);
    const isGone = (name: string) => name !== "shop/a";
    expect(watched.report(classic(usedBy("a")), context(1_000, { isGone })).restoring).toBe(false);
  });

  it("takes a few pods that end for what they are", () => {
    const reporting = new Reporting();
    reporting.report(classic(usedBy("a", "b", "c", "d", "e")), context(0));
    expect(reporting.report(classic(usedBy("a", "b", "c")), context(1_000)).restoring).toBe(false);
  });

  it("lets an address go when its answer has stood for a while", () => {
    const reporting = new Reporting();
    const ready = classic({}, { "10.0.1.5": "ready-for-release", "10.0.1.6": "do-not-release" });
    expect(reporting.report(ready, context(0))).toMatchObject({ letGo: [], kept: ["10.0.1.6"] });
    expect(reporting.dueMs).toBe(ANSWER_STANDS_MS);
    expect(reporting.report(ready, context(ANSWER_STANDS_MS))).toMatchObject({ letGo: ["10.0.1.5"] });
    const used = { "10.0.1.5": entry("shop/a") };
    expect(
      reporting.report(classic(used, { "10.0.1.5": "ready-for-release" }), context(ANSWER_STANDS_MS + 1)),
    ).toMatchObject({
      letGo: [],
    });
  });

  describe("from 1.20 on", () => {
    const BLOCKS = ["10.0.1.5/32", "10.0.1.16/28"];
    const modern = (allocated: readonly string[], shown: readonly string[], requested = 10) => {
      const addresses = shown.filter((cidr) => cidr.endsWith("/32")).map((cidr) => cidr.slice(0, -3));
      const prefixes = shown.filter((cidr) => cidr.endsWith("/28"));
      const pools = {
        requested: [{ pool: "default", needed: { "ipv4-addrs": requested } }],
        allocated: [{ pool: "default", cidrs: allocated }],
      };
      const status = { eni: { enis: { "eni-1": { id: "eni-1", addresses, prefixes } } } };
      return readCiliumNode(nodeObject({ ipam: { "pre-allocate": 4, pools } }, status));
    };
    const at = (nowMs: number) => context(nowMs, { dialect: "eni-1.20", blocks: BLOCKS });

    it("uses what it requests, less what it keeps in advance", () => {
      expect(new Reporting().report(modern(BLOCKS, BLOCKS), at(0))).toMatchObject({ used: undefined, usedCount: 6 });
      expect(new Reporting().report(modern([], BLOCKS, 3), at(0))).toMatchObject({ usedCount: 0 });
    });

    it("gives up what it does not name for a minute, and has let it go when it did not see it for two more", () => {
      const reporting = new Reporting();
      const [, prefix = ""] = BLOCKS;
      reporting.report(modern(BLOCKS, BLOCKS), at(0));
      const said = (shown: readonly string[], nowMs: number) =>
        reporting.report(modern(["10.0.1.5/32"], shown), at(nowMs));
      expect(said(BLOCKS, 1_000)).toMatchObject({ idle: [], letGo: [] });
      expect(said(BLOCKS, 1_000 + IDLE_MS)).toMatchObject({ idle: [prefix], letGo: [] });
      expect(said(BLOCKS, 1_000 + IDLE_MS + WITHHELD_MS)).toMatchObject({ idle: [prefix], letGo: [] });
      const hiddenMs = 1_000 + IDLE_MS + WITHHELD_MS + 1;
      expect(said(["10.0.1.5/32"], hiddenMs)).toMatchObject({ letGo: [] });
      expect(said(["10.0.1.5/32"], hiddenMs + WITHHELD_MS)).toMatchObject({ idle: [prefix], letGo: [prefix] });
      // Taken anew, by an agent that had seen it a moment before.
      expect(reporting.report(modern(BLOCKS, []), at(hiddenMs + WITHHELD_MS + 1))).toMatchObject({
        idle: [],
        letGo: [],
      });
    });

    it("gives up nothing while it has lost its list", () => {
      const reporting = new Reporting();
      reporting.report(modern(BLOCKS, BLOCKS), at(0));
      expect(reporting.report(modern([], BLOCKS), at(1_000)).restoring).toBe(true);
      expect(reporting.report(modern([], BLOCKS), at(IDLE_MS * 2))).toMatchObject({
        restoring: true,
        idle: [],
        letGo: [],
      });
    });
  });
});

describe("an agent that starts", () => {
  it("waits for min-allocate, else pre-allocate, else two addresses", () => {
    const offer = offerOf([offeredInterface(1, ["10.0.1.5"])]);
    const lacks = (ipam: object, dialect: Dialect = "eni-classic", status: object = {}) =>
      lackingToStart(offer, readCiliumNode(nodeObject({ ipam }, status)), dialect);
    expect(lacks({ "min-allocate": 10, "pre-allocate": 4 })).toBe(9);
    expect(lacks({ "pre-allocate": 4 })).toBe(3);
    expect(lacks({})).toBe(1);
    expect(lacks({ "min-allocate": 10 }, "eni-1.20")).toBe(0);
    expect(lacks({ "min-allocate": 10 }, "crd", { ipam: { used: { "10.0.1.5": { owner: "router" } } } })).toBe(0);
  });
});
