import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AdoptionFile, readAdoptionFile } from "../../src/adoption/index.ts";
import { EnidError } from "../../src/errors.ts";

const FILE = "/var/run/aws-node/ipam.json";
const CONTAINER = "75ebe0da8b3f1e5ee3faab89e538fb32af7c038fd0cd0ebf39dee8e459d1788e";

function read(text: string): AdoptionFile {
  return readAdoptionFile({ from: "vpc-cni", file: FILE, text, network: "cilium" });
}

function checkpoint(...allocations: object[]): string {
  return JSON.stringify({ version: "vpc-cni-ipam/1", allocations });
}

function refusal(text: string): string {
  try {
    read(text);
  } catch (thrown) {
    expect((thrown as EnidError).code).toBe("ENID_ADOPTION_FILE_INVALID");
    return (thrown as EnidError).message;
  }
  throw new Error("it was read");
}

const KEY = { networkName: "aws-cni", containerID: CONTAINER, ifName: "eth0" };

describe("the VPC CNI's checkpoint", () => {
  it("of 1.11 and later names attachment, address, time and pod", () => {
    const entry = {
      ...KEY,
      ipv4: "192.168.12.15",
      allocationTimestamp: 1647904840550836700,
      metadata: { k8sPodNamespace: "kube-system", k8sPodName: "coredns-85d5b4454c-l9pwn", interfacesCount: 1 },
    };
    expect(read(checkpoint(entry))).toEqual({
      leases: [
        {
          address: "192.168.12.15",
          pod: { namespace: "kube-system", name: "coredns-85d5b4454c-l9pwn", uid: "" },
          attachment: { network: "cilium", containerId: CONTAINER, interfaceName: "eth0" },
          leasedAtMs: 1647904840550,
          note: "of network aws-cni",
        },
      ],
      notes: [],
    });
  });

  it("read back from the container runtime knows neither network nor interface: it is the pod's first one", () => {
    const [lease] = read(
      checkpoint({ networkName: "_migrated-from-cri", containerID: CONTAINER, ifName: "unknown", ipv4: "10.0.0.9" }),
    ).leases;
    expect(lease).toMatchObject({ attachment: { interfaceName: "eth0" }, note: "network not known" });
  });

  it("before 1.11 does not name the pod: it is called after its container, as ADD would do", () => {
    const { leases, notes } = read(checkpoint({ ...KEY, ipv4: "10.0.0.9" }));
    expect(leases[0]?.pod).toEqual({ namespace: "", name: "75ebe0da8b3f", uid: "" });
    expect(leases[0]).not.toHaveProperty("leasedAtMs");
    expect(notes).toEqual([
      "1 entries do not name their pod (the VPC CNI before 1.11): it is called after its container",
    ]);
  });

  it.each([
    ["an IPv6 address with an empty ipv4 beside it", { ipv4: "", ipv6: "2001:DB8:0::A" }, { address: "2001:db8::a" }],
    ["the key ip", { ip: "10.0.0.9" }, { address: "10.0.0.9" }],
    ["both families", { ipv4: "10.0.0.9", ipv6: "2001:db8::a" }, { address: "10.0.0.9", ipv6Address: "2001:db8::a" }],
  ])("may hold %s", (_, stated, expected) => {
    expect(read(checkpoint({ ...KEY, ...stated })).leases[0]).toMatchObject(expected);
  });

  it("may hold several interfaces of one container, and none at all", () => {
    const two = read(checkpoint({ ...KEY, ipv4: "10.0.0.9" }, { ...KEY, ifName: "mNicIf1", ipv4: "10.0.0.10" }));
    expect(two.leases.map(({ attachment }) => attachment.interfaceName)).toEqual(["eth0", "mNicIf1"]);
    for (const allocations of ["[]", "null"]) {
      expect(read(`{"version":"vpc-cni-ipam/1","allocations":${allocations}}`).leases).toEqual([]);
    }
  });

  it.each([
    ["{", "it is not JSON: "],
    ["[]", "must be an object, not a list"],
    ["{}", "/version is missing; enid reads vpc-cni-ipam/1"],
    ['{"version":"vpc-cni-ipam/2"}', '/version is "vpc-cni-ipam/2"; enid reads vpc-cni-ipam/1'],
    ['{"version":"vpc-cni-ipam/1"}', "/allocations must be a list, not missing"],
    [checkpoint(KEY), "/allocations/0 has neither ipv4 nor ipv6"],
    [checkpoint({ ...KEY, ipv4: 7 }), "/allocations/0/ipv4 must be a text, not a number"],
    [checkpoint({ ...KEY, ipv4: "10.0.0.256" }), '/allocations/0/ipv4 is "10.0.0.256", not an address'],
    [checkpoint({ ...KEY, ipv4: "10.0.0" }), '/allocations/0/ipv4 is "10.0.0", not an address'],
    [checkpoint({ ...KEY, ipv6: "10.0.0.9" }), '/allocations/0/ipv6 is "10.0.0.9", not an IPv6 address'],
    [
      checkpoint({ ...KEY, containerID: "a b", ipv4: "10.0.0.9" }),
      '/allocations/0/containerID is no container id: "a b"',
    ],
    [
      checkpoint({ ...KEY, ifName: "interface-too-long", ipv4: "10.0.0.9" }),
      "/allocations/0/ifName is no interface name",
    ],
    [
      checkpoint({ ...KEY, ipv4: "10.0.0.9" }, { ...KEY, containerID: "b", ipv4: "10.0.0.9" }),
      "/allocations/1 holds 10.0.0.9 again, which /allocations/0 has",
    ],
    [
      checkpoint({ ...KEY, ipv4: "10.0.0.9" }, { ...KEY, networkName: "other", ipv4: "10.0.0.10" }),
      `/allocations/1 holds interface eth0 of container ${CONTAINER} again, which /allocations/0 has`,
    ],
    [
      checkpoint({ ...KEY, ipv4: "10.0.0.9", metadata: { k8sPodNamespace: "a/b", k8sPodName: "c" } }),
      '/allocations/0/metadata/k8sPodNamespace is no Kubernetes name: "a/b"',
    ],
  ])("is refused with the place: %s", (text, expected) => {
    expect(refusal(text)).toContain(expected);
    expect(refusal(text)).toContain(FILE);
  });

  it("is refused when it is too large or has too many entries", () => {
    expect(refusal(" ".repeat(4 * 1024 * 1024 + 1))).toContain("4194305 bytes; at most 4194304 are read");
    const many = Array.from({ length: 10_001 }, () => 0);
    expect(refusal(`{"version":"vpc-cni-ipam/1","allocations":${JSON.stringify(many)}}`)).toContain("10001 entries");
  });

  it("is read or refused, whatever stands in it", () => {
    const names = fc.constantFrom("version", "allocations", "ipv4", "containerID", "ifName", "metadata");
    const any = fc.array(fc.dictionary(names, fc.oneof(fc.string(), fc.jsonValue({ maxDepth: 1 }))), { maxLength: 5 });
    fc.assert(
      fc.property(any, (allocations) => {
        try {
          read(JSON.stringify({ version: "vpc-cni-ipam/1", allocations }));
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(EnidError);
        }
      }),
      { numRuns: 100 },
    );
  });
});
