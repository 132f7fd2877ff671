import { describe, expect, test } from "vitest";
import { type Attachment, Pool } from "../../src/pool/index.ts";
import { attachment, granted, leased, makeLease, makePool, NOW_MS, POD, refusal } from "./make-pool.ts";

const COOLING_MS = 30_000;

describe("a lease", () => {
  test("is of a free address, and a repeated request answers with the same one", () => {
    const pool = makePool({ a: ["10.0.0.4/32", "10.0.0.5/32"] });
    const first = pool.lease(attachment("c1"), POD, NOW_MS);
    const again = pool.lease(attachment("c1"), { ...POD, uid: "other" }, NOW_MS + 5);
    const lease = { address: "10.0.0.4", attachment: attachment("c1"), pod: POD, leasedAtMs: NOW_MS };
    expect(first).toEqual({ kind: "leased", lease });
    expect(again).toEqual({ kind: "existing", lease });
    expect(pool.leaseOf(attachment("c1"))).toEqual(lease);
    expect(pool.leaseAt("10.0.0.4")).toEqual(lease);
    expect(pool.stateOf("10.0.0.4")).toBe("leased");
    expect([...pool.leases()]).toEqual([lease]);
  });

  test("is refused when nothing is free", () => {
    const pool = makePool({ a: ["10.0.0.4/32"] });
    leased(pool, "c1");
    expect(pool.lease(attachment("c2"), POD, NOW_MS)).toEqual({ kind: "none", lacks: "ipv4" });
    expect(new Pool().lease(attachment("c2"), POD, NOW_MS)).toEqual({ kind: "none", lacks: "ipv4" });
  });

  test("belongs to network, container and interface together, whatever characters they hold", () => {
    const pool = makePool({ a: ["10.0.0.0/28"] });
    const attachments: Attachment[] = [
      { network: "n", containerId: "c/e", interfaceName: "th0" },
      { network: "n", containerId: "c", interfaceName: "e/th0" },
      { network: "n/c", containerId: "e", interfaceName: "th0" },
      { network: "n", containerId: "c", interfaceName: "eth0" },
      { network: "m", containerId: "c", interfaceName: "eth0" },
      { network: "n", containerId: "c", interfaceName: "eth1" },
      { network: "", containerId: "__proto__", interfaceName: "" },
      { network: "", containerId: "", interfaceName: "" },
    ];
    const addresses = attachments.map((one) => granted(pool.lease(one, POD, NOW_MS)).address);
    expect(new Set(addresses).size).toBe(attachments.length);
    expect(attachments.map((one) => pool.leaseOf(one)?.address)).toEqual(addresses);

    // Three of the container "c": the middle one, the newest and the oldest end in turn.
    for (const one of [attachments[4], attachments[5], attachments[1], attachments[3]] as Attachment[]) {
      expect(pool.release(one, NOW_MS, COOLING_MS)?.lease.attachment).toEqual(one);
      expect(pool.leaseOf(one)).toBeUndefined();
      expect(pool.problems()).toEqual([]);
    }
    expect([...pool.leases()]).toHaveLength(4);
  });
});

describe("a released address", () => {
  test("cools before it may be leased again", () => {
    const pool = makePool({ a: ["10.0.0.4/32"] });
    const lease = leased(pool, "c1");
    const cooling = { address: "10.0.0.4", untilMs: NOW_MS + COOLING_MS };
    expect(pool.release(attachment("c1"), NOW_MS, COOLING_MS)).toEqual({ lease, cooling });
    expect(pool.release(attachment("c1"), NOW_MS, COOLING_MS)).toBeUndefined();
    expect(pool.stateOf("10.0.0.4")).toBe("cooling");
    expect([...pool.coolings()]).toEqual([cooling]);
    expect(pool.nextCoolingEndMs()).toBe(cooling.untilMs);

    expect(pool.cool(cooling.untilMs - 1)).toEqual([]);
    expect(pool.lease(attachment("c2"), POD, cooling.untilMs - 1)).toEqual({ kind: "none", lacks: "ipv4" });
    expect(pool.cool(cooling.untilMs)).toEqual(["10.0.0.4"]);
    expect(pool.nextCoolingEndMs()).toBeUndefined();
    expect(leased(pool, "c2").address).toBe("10.0.0.4");
  });

  test("is free at the next look when the cooling time is zero", () => {
    const pool = makePool({ a: ["10.0.0.4/32"] });
    leased(pool, "c1");
    pool.release(attachment("c1"), NOW_MS, 0);
    expect(pool.stateOf("10.0.0.4")).toBe("cooling");
    expect(pool.cool(NOW_MS)).toEqual(["10.0.0.4"]);
  });

  test("comes after all that are free longer", () => {
    const pool = makePool({ a: ["10.0.0.4/32", "10.0.0.5/32", "10.0.0.6/32"] });
    const taken: string[] = [];
    for (let round = 0; round < 7; round++) {
      taken.push(leased(pool, `c${round}`).address);
      pool.release(attachment(`c${round}`), NOW_MS, 0);
      pool.cool(NOW_MS);
    }
    const turn = ["10.0.0.4", "10.0.0.5", "10.0.0.6"];
    expect(taken).toEqual([...turn, ...turn, "10.0.0.4"]);
  });

  test("keeps its own time when the setting changes, and they end in the order of their times", () => {
    const pool = makePool({ a: ["10.0.0.0/28"] });
    for (let pod = 0; pod < 6; pod++) leased(pool, `c${pod}`);
    const coolingsMs = [30_000, 30_000, 1000, 20_000, 1000, 40_000];
    coolingsMs.forEach((coolingMs, pod) => {
      pool.release(attachment(`c${pod}`), NOW_MS + pod, coolingMs);
    });
    expect([...pool.coolings()].map(({ untilMs }) => untilMs - NOW_MS)).toEqual([
      1002, 1004, 20_003, 30_000, 30_001, 40_005,
    ]);
    expect(pool.cool(NOW_MS + 20_003)).toEqual(["10.0.0.2", "10.0.0.4", "10.0.0.3"]);
    expect(pool.problems()).toEqual([]);
  });

  test("cools in order also when many do", () => {
    const pool = makePool({ a: ["10.0.0.0/24"] }, "node-cidr");
    for (let pod = 0; pod < 200; pod++) leased(pool, `c${pod}`);
    for (let pod = 0; pod < 200; pod++) pool.release(attachment(`c${pod}`), NOW_MS, (pod * 7919) % 1000);
    expect(pool.problems()).toEqual([]);
    let freed = 0;
    for (let afterMs = 0; afterMs < 1000; afterMs += 100) freed += pool.cool(NOW_MS + afterMs).length;
    expect(freed + pool.counts().cooling).toBe(200);
    expect(pool.problems()).toEqual([]);
  });
});

describe("packing", () => {
  test("leases from the interface with the most leases, so that others can be emptied", () => {
    const pool = makePool({ a: ["10.0.0.4/32", "10.0.0.5/32", "10.0.0.6/32"], b: ["10.0.1.4/32", "10.0.1.5/32"] });
    pool.restoreLease(makeLease("10.0.0.4", "c1"));
    expect(leased(pool, "c2").address).toBe("10.0.0.5");
    expect(leased(pool, "c3").address).toBe("10.0.0.6");
    expect(leased(pool, "c4").address).toBe("10.0.1.4");
    expect(pool.interfaceCounts().map(({ id, leased: count }) => [id, count])).toEqual([
      ["a", 3],
      ["b", 1],
    ]);
  });

  test("takes the interface with the fewest free addresses among equals, then the lowest index", () => {
    const pool = makePool({ a: ["10.0.0.4/32", "10.0.0.5/32"], b: ["10.0.1.4/32"], c: ["10.0.2.4/32"] });
    expect(["c1", "c2", "c3"].map((id) => leased(pool, id).address)).toEqual(["10.0.1.4", "10.0.2.4", "10.0.0.4"]);
  });

  test("follows an interface whose leases end", () => {
    const pool = makePool({ a: ["10.0.0.0/28"], b: ["10.0.1.0/28"] });
    for (const number of [1, 2, 3]) pool.restoreLease(makeLease(`10.0.0.${number}`, `a${number}`));
    for (const number of [1, 2]) pool.restoreLease(makeLease(`10.0.1.${number}`, `b${number}`));
    pool.release(attachment("a1"), NOW_MS, COOLING_MS);
    pool.release(attachment("a2"), NOW_MS, COOLING_MS);
    expect(leased(pool, "c1").address).toBe("10.0.1.0");
  });

  test("fills the fullest prefix, then single addresses, then a nearly empty prefix, and touches a whole one last", () => {
    const pool = makePool({ a: ["10.0.0.0/28", "10.0.0.16/28", "10.0.0.32/32", "10.0.0.48/28"] });
    for (const number of [48, 49, 50]) pool.restoreLease(makeLease(`10.0.0.${number}`, `b${number}`));
    for (const number of [20, 21]) pool.restoreLease(makeLease(`10.0.0.${number}`, `b${number}`));
    const addresses = Array.from({ length: 29 }, (_, pod) => leased(pool, `d${pod}`).address);
    const filled = [51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63];
    const nearlyEmpty = [16, 17, 18, 19, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31];
    expect(addresses).toEqual([...filled, 32, ...nearlyEmpty, 0].map((number) => `10.0.0.${number}`));
  });

  test("gives a nearly empty prefix nothing while others have room, also on the interface with the most leases", () => {
    const singles = Array.from({ length: 6 }, (_, index) => `10.0.0.${32 + index}/32`);
    const pool = makePool({ a: ["10.0.0.0/28", ...singles], b: ["10.0.1.0/28"], c: ["10.0.2.0/28"] });
    singles.forEach((cidr, pod) => {
      pool.restoreLease(makeLease(cidr.replace("/32", ""), `a${pod}`));
    });
    for (const number of [1, 2]) pool.restoreLease(makeLease(`10.0.0.${number}`, `p${number}`));
    for (const number of [1, 2, 3]) pool.restoreLease(makeLease(`10.0.1.${number}`, `q${number}`));
    const blocks = Array.from({ length: 13 + 14 + 1 }, (_, pod) => pool.blockOf(leased(pool, `d${pod}`).address)?.cidr);
    const expected = [...Array(13).fill("10.0.1.0/28"), ...Array(14).fill("10.0.0.0/28"), "10.0.2.0/28"];
    expect(blocks).toEqual(expected);
  });

  test("opens a whole prefix on the interface with the most leases, and prefers one in which addresses only cool", () => {
    const pool = makePool({ a: ["10.0.0.0/28"], b: ["10.0.1.0/28", "10.0.1.16/32"], c: ["10.0.2.0/28"] });
    pool.restoreLease(makeLease("10.0.1.16", "b0"));
    pool.restoreCooling({ address: "10.0.2.9", untilMs: NOW_MS + COOLING_MS });
    expect(leased(pool, "c1").address).toBe("10.0.2.0");
    pool.undoLease(attachment("c1"));
    pool.cool(NOW_MS + COOLING_MS);
    expect(leased(pool, "c2").address).toBe("10.0.1.0");
    expect(pool.problems()).toEqual([]);
  });

  test("returns to the fullest prefix as soon as one of its addresses is free", () => {
    const pool = makePool({ a: ["10.0.0.0/28", "10.0.0.16/28"] });
    for (let pod = 0; pod < 18; pod++) leased(pool, `c${pod}`);
    const { lease } = pool.release(attachment("c3"), NOW_MS, 0) ?? {};
    pool.cool(NOW_MS);
    expect(leased(pool, "d").address).toBe(lease?.address);
    expect(leased(pool, "e").address).toBe("10.0.0.18");
  });
});

describe("an interface or block that is not usable", () => {
  test("keeps its leases and gives no address", () => {
    const pool = makePool({ a: ["10.0.0.4/32", "10.0.0.5/32"], b: ["10.0.1.4/32"] });
    pool.restoreLease(makeLease("10.0.0.4", "c1"));
    pool.upsertInterface({ id: "a", index: 0, usable: false });
    expect(pool.leaseOf(attachment("c1"))?.address).toBe("10.0.0.4");
    expect(leased(pool, "c2").address).toBe("10.0.1.4");
    expect(pool.lease(attachment("c3"), POD, NOW_MS)).toEqual({ kind: "none", lacks: "ipv4" });
    expect(pool.counts()).toEqual({ total: 3, free: 1, leased: 2, cooling: 0, releasing: 0 });
    expect(pool.usableCounts()).toEqual({ total: 1, free: 0, leased: 1, cooling: 0, releasing: 0 });
    pool.upsertInterface({ id: "a", index: 0, usable: true });
    expect(leased(pool, "c3").address).toBe("10.0.0.5");
  });

  test("counts as the cloud's denial of one block says, while its addresses go on through their states", () => {
    const pool = makePool({ a: ["10.0.0.4/32", "10.0.0.5/32"] });
    leased(pool, "c1");
    pool.setBlockUsable("10.0.0.4/32", false);
    pool.setBlockUsable("10.0.0.4/32", false);
    expect(pool.usableCounts()).toMatchObject({ total: 1, free: 1, leased: 0 });
    pool.release(attachment("c1"), NOW_MS, 0);
    pool.cool(NOW_MS);
    expect(pool.stateOf("10.0.0.4")).toBe("free");
    expect(leased(pool, "c2").address).toBe("10.0.0.5");
    expect(pool.lease(attachment("c3"), POD, NOW_MS)).toEqual({ kind: "none", lacks: "ipv4" });
    expect(pool.problems()).toEqual([]);
    pool.setBlockUsable("10.0.0.4/32", true);
    expect(leased(pool, "c3").address).toBe("10.0.0.4");
    expect(refusal(() => pool.setBlockUsable("10.9.9.9/32", true))).toBe("unknown-block");
  });
});

describe("a commit that failed", () => {
  test("gives the address of the lease to the next pod", () => {
    const pool = makePool({ a: ["10.0.0.0/28"], b: ["10.0.1.4/32", "10.0.1.5/32"] });
    for (const container of ["c1", "c2"]) {
      const { address } = leased(pool, container);
      expect(pool.undoLease(attachment(container))).toBe(true);
      expect(pool.undoLease(attachment(container))).toBe(false);
      expect(pool.stateOf(address)).toBe("free");
      expect(leased(pool, `${container}-next`).address).toBe(address);
    }
    expect(pool.problems()).toEqual([]);
  });
});

describe("after a restart", () => {
  test("leases and cooling addresses are what they were", () => {
    const pool = makePool({ a: ["10.0.0.4/32", "10.0.0.5/32", "10.0.0.6/32"] });
    pool.upsertInterface({ id: "a", index: 0, usable: false });
    const lease = makeLease("10.0.0.5", "c1");
    pool.restoreLease(lease);
    pool.restoreLease(lease);
    pool.restoreCooling({ address: "10.0.0.6", untilMs: NOW_MS + 5000 });
    expect(pool.leaseOf(attachment("c1"))).toEqual(lease);
    expect(pool.counts()).toEqual({ total: 3, free: 1, leased: 1, cooling: 1, releasing: 0 });
    expect(pool.cool(NOW_MS + 5000)).toEqual(["10.0.0.6"]);
  });

  test("what cannot be is refused and changes nothing", () => {
    const pool = makePool({ a: ["10.0.0.4/32", "10.0.0.5/32"] });
    pool.restoreLease(makeLease("10.0.0.4", "c1"));
    expect(refusal(() => pool.restoreLease(makeLease("10.0.0.4", "c2")))).toBe("address-not-free");
    expect(refusal(() => pool.restoreLease(makeLease("10.0.0.5", "c1")))).toBe("attachment-leased");
    expect(refusal(() => pool.restoreLease(makeLease("10.0.0.9", "c2")))).toBe("unknown-address");
    expect(refusal(() => pool.restoreLease(makeLease("10.0.0.05", "c2")))).toBe("unknown-address");
    expect(refusal(() => pool.restoreCooling({ address: "10.0.0.4", untilMs: NOW_MS }))).toBe("address-not-free");
    expect(refusal(() => pool.restoreCooling({ address: "nonsense", untilMs: NOW_MS }))).toBe("unknown-address");
    expect(pool.counts()).toEqual({ total: 2, free: 1, leased: 1, cooling: 0, releasing: 0 });
    expect(pool.problems()).toEqual([]);
  });
});

describe("blocks that go back to the cloud", () => {
  test("are given to nobody, and are free again when they stay after all", () => {
    const pool = makePool({ a: ["10.0.0.0/28", "10.0.0.16/32"] });
    pool.setBlockUsable("10.0.0.16/32", false);
    pool.markReleasing(["10.0.0.0/28", "10.0.0.16/32"]);
    pool.markReleasing(["10.0.0.0/28"]);
    expect(pool.stateOf("10.0.0.3")).toBe("releasing");
    expect(pool.counts()).toEqual({ total: 17, free: 0, leased: 0, cooling: 0, releasing: 17 });
    expect(pool.lease(attachment("c1"), POD, NOW_MS)).toEqual({ kind: "none", lacks: "ipv4" });
    expect(refusal(() => pool.restoreLease(makeLease("10.0.0.3", "c1")))).toBe("address-not-free");
    expect(pool.problems()).toEqual([]);
    pool.unmarkReleasing(["10.0.0.0/28"]);
    expect(leased(pool, "c1").address).toBe("10.0.0.0");
    expect(pool.removeBlock("10.0.0.16/32")).toBe(true);
    expect(pool.problems()).toEqual([]);
  });

  test("are refused together when an address of one is leased or cooling", () => {
    const pool = makePool({ a: ["10.0.0.4/32", "10.0.0.5/32"] });
    leased(pool, "c1");
    const both = ["10.0.0.5/32", "10.0.0.4/32"];
    expect(refusal(() => pool.markReleasing(both))).toBe("block-in-use");
    pool.release(attachment("c1"), NOW_MS, COOLING_MS);
    expect(refusal(() => pool.markReleasing(both))).toBe("block-in-use");
    expect(refusal(() => pool.markReleasing(["10.0.0.5/32", "10.0.0.6/32"]))).toBe("unknown-block");
    expect(pool.counts().releasing).toBe(0);
    pool.cool(NOW_MS + COOLING_MS);
    pool.markReleasing(both);
    expect(pool.counts().releasing).toBe(2);
  });

  test("are removed only while no address of them is leased or cooling", () => {
    const pool = makePool({ a: ["10.0.0.4/32"] });
    leased(pool, "c1");
    expect(refusal(() => pool.removeBlock("10.0.0.4/32"))).toBe("block-in-use");
    pool.release(attachment("c1"), NOW_MS, COOLING_MS);
    expect(refusal(() => pool.removeBlock("10.0.0.4/32"))).toBe("block-in-use");
    expect(refusal(() => pool.removeInterface("a"))).toBe("interface-has-blocks");
    pool.cool(NOW_MS + COOLING_MS);
    expect(pool.removeBlock("10.0.0.4/32")).toBe(true);
    expect(pool.removeBlock("10.0.0.4/32")).toBe(false);
    expect(pool.stateOf("10.0.0.4")).toBeUndefined();
    expect(pool.removeInterface("a")).toBe(true);
    expect(pool.removeInterface("a")).toBe(false);
    expect(pool.interface("a")).toBeUndefined();
  });
});

test("an interface that changes its index keeps its blocks and leases", () => {
  const pool = makePool({ a: ["10.0.0.4/32"], b: ["10.0.1.4/32"] });
  pool.upsertInterface({ id: "a", index: 7, usable: true });
  expect(pool.interface("a")).toEqual({ id: "a", index: 7, usable: true });
  expect(pool.interfaceCounts().map(({ id, index, blocks }) => ({ id, index, blocks }))).toEqual([
    { id: "b", index: 1, blocks: 1 },
    { id: "a", index: 7, blocks: 1 },
  ]);
  expect(leased(pool, "c1").address).toBe("10.0.1.4");
  expect(pool.block("10.0.1.4/32")).toMatchObject({ usable: true, leased: 1, total: 1 });
  expect(pool.block("10.0.9.9/32")).toBeUndefined();
});

test("questions about what is no address of the pool have no answer", () => {
  const pool = makePool({ a: ["10.0.0.4/32"] });
  for (const address of ["10.0.0.5", "", "10.0.0.4/32", "::1", "10.0.0.4.", ".10.0.0.4", "1e1.0.0.4"]) {
    expect([pool.stateOf(address), pool.leaseAt(address), pool.blockOf(address)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  }
});
