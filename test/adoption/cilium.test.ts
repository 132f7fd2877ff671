import { describe, expect, it } from "vitest";
import { adoptedAttachment, attachmentToEnd, readAdoptionFile } from "../../src/adoption/index.ts";
import type { EnidError } from "../../src/errors.ts";
import { type Attachment, Pool } from "../../src/pool/index.ts";

const FILE = "node.json";

function read(document: unknown) {
  return readAdoptionFile({ from: "cilium", file: FILE, text: JSON.stringify(document), network: "cilium" });
}

function node(used: Record<string, { owner?: string; resource?: string }>) {
  return { apiVersion: "cilium.io/v2", kind: "CiliumNode", metadata: { name: "n" }, status: { ipam: { used } } };
}

describe("a CiliumNode", () => {
  it("names the pod of each address; its container is not known, and the agent's mark of a restart is no part of it", () => {
    const { leases, notes } = read(
      node({
        "10.0.0.5": { owner: "shop/cart-0", resource: "eni-1" },
        "10.0.0.6": { owner: "kube-system/coredns-5ff5dfcc4d-m76l4 [restored]", resource: "eni-1" },
      }),
    );
    expect(leases).toEqual([
      {
        address: "10.0.0.5",
        pod: { namespace: "shop", name: "cart-0", uid: "" },
        attachment: { network: "adopted", containerId: "adopted:shop/cart-0", interfaceName: "eth0" },
      },
      {
        address: "10.0.0.6",
        pod: { namespace: "kube-system", name: "coredns-5ff5dfcc4d-m76l4", uid: "" },
        attachment: adoptedAttachment({ namespace: "kube-system", name: "coredns-5ff5dfcc4d-m76l4" }),
      },
    ]);
    expect(notes).toEqual([]);
  });

  it("keeps the agent's own addresses out of use: it may have them still", () => {
    const { leases, notes } = read(
      node({ "10.0.0.1": { owner: "router" }, "10.0.0.2": { owner: "health" }, "10.0.0.3": {} }),
    );
    expect(leases.map(({ address, pod, note }) => [address, pod.name, note])).toEqual([
      ["10.0.0.1", "router", "no pod"],
      ["10.0.0.2", "health", "no pod"],
      ["10.0.0.3", "unnamed", "no pod"],
    ]);
    expect(notes).toContain("10.0.0.1 of Cilium's \"router\" is no pod's: kept out of use until the machine boots");
    for (const { attachment, pod } of leases) expect(adoptedAttachment(pod)).not.toEqual(attachment);
  });

  it("gives a pod with an address of each family one lease, and of several of one family all but the first are kept", () => {
    const dual = read(node({ "2001:db8::0:5": { owner: "a/b" }, "10.0.0.5": { owner: "a/b [restored]" } }));
    expect(dual.leases).toEqual([expect.objectContaining({ address: "10.0.0.5", ipv6Address: "2001:db8::5" })]);
    const two = read(node({ "10.0.0.5": { owner: "a/b" }, "10.0.0.6": { owner: "a/b" } }));
    expect(two.leases.map(({ attachment }) => attachment.containerId)).toEqual([
      "adopted:a/b",
      "adopted-kept:a/b-10.0.0.6",
    ]);
    expect(two.notes[0]).toContain("its DEL ends the lease of 10.0.0.5; 10.0.0.6 is kept out of use");
  });

  it.each([
    [[], "must be an object, not a list"],
    [{ kind: "List", items: [] }, '/kind is "List", not "CiliumNode"'],
    [{ kind: "CiliumNode" }, "/status is missing"],
    [{ kind: "CiliumNode", status: { ipam: {} } }, "/status/ipam/used is missing: this agent does not tell"],
    [node({ cart: { owner: "a/b" } }), "/status/ipam/used/cart is not named after an address"],
    [node({ "2001:db8::5": {}, "2001:db8::0:5": {} }), "is 2001:db8::5 again, which /status/ipam/used/2001:db8::5 is"],
    [node({ "10.0.0.5": { owner: "x".repeat(513) } }), "/owner has 513 characters; at most 512 are read"],
  ])("is refused with the place", (document, expected) => {
    let message = "it was read";
    try {
      read(document);
    } catch (thrown) {
      message = (thrown as EnidError).message;
    }
    expect(message).toContain(expected);
  });
});

describe("the end of a lease that was taken over from Cilium", () => {
  const POD = { namespace: "shop", name: "cart-0", uid: "" };

  function adoptedPool() {
    const pool = new Pool();
    pool.upsertInterface({ id: "eni-1", index: 0, usable: true });
    for (const last of [5, 6]) pool.addBlock({ cidr: `10.0.0.${last}/32`, interfaceId: "eni-1", kind: "address" });
    pool.restoreLease({ address: "10.0.0.5", pod: POD, attachment: adoptedAttachment(POD), leasedAtMs: 0 });
    /** What leasing does for a DEL. */
    const remove = (attachment: Attachment, pod = POD) =>
      pool.release(attachmentToEnd(pool, attachment, pod), 0, 30_000)?.lease.address;
    const add = (attachment: Attachment) => {
      const result = pool.lease(attachment, POD, 0);
      return "lease" in result ? result.lease.address : undefined;
    };
    return { pool, remove, add };
  }

  const sandbox = (containerId: string, interfaceName = "eth0") => ({ network: "cilium", containerId, interfaceName });

  it("comes with the DEL of the sandbox that Cilium set up, and a second DEL ends nothing else", () => {
    const { remove, pool } = adoptedPool();
    expect(remove(sandbox("old"))).toBe("10.0.0.5");
    expect(pool.stateOf("10.0.0.5")).toBe("cooling");
    expect(remove(sandbox("old"))).toBeUndefined();
  });

  it("comes late when the new sandbox was set up first; that one has another address and keeps it", () => {
    const { remove, add, pool } = adoptedPool();
    expect(add(sandbox("new"))).toBe("10.0.0.6");
    expect(remove(sandbox("old"))).toBe("10.0.0.5");
    expect(remove(sandbox("old"))).toBeUndefined();
    expect(pool.leaseOf(sandbox("new"))?.address).toBe("10.0.0.6");
  });

  it("before the ADD of the new sandbox does not give it the old address again", () => {
    const { remove, add } = adoptedPool();
    expect(remove(sandbox("old"))).toBe("10.0.0.5");
    expect(add(sandbox("new"))).toBe("10.0.0.6");
    expect(remove(sandbox("old"))).toBeUndefined();
    expect(remove(sandbox("new"))).toBe("10.0.0.6");
  });

  it("is not the DEL of a new sandbox, which ends its own lease first", () => {
    const { remove, add, pool } = adoptedPool();
    add(sandbox("new"));
    expect(remove(sandbox("new"))).toBe("10.0.0.6");
    expect(pool.leaseAt("10.0.0.5")?.pod).toEqual(POD);
  });

  it("is not that of another pod, of a further interface, or of a caller who does not name the pod", () => {
    const { remove, pool } = adoptedPool();
    expect(remove(sandbox("x"), { ...POD, name: "cart-1" })).toBeUndefined();
    expect(remove(sandbox("x"), { ...POD, namespace: "other" })).toBeUndefined();
    expect(remove(sandbox("x", "net1"))).toBeUndefined();
    expect(attachmentToEnd(pool, sandbox("x"), undefined)).toEqual(sandbox("x"));
    expect(pool.leaseAt("10.0.0.5")?.pod).toEqual(POD);
  });
});
