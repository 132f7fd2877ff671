import { afterEach, describe, expect, it } from "vitest";
import { PRIMARY } from "./cloud.ts";
import { Lab } from "./lab.ts";
import { frozen, half, onlyThePrimary } from "./metadata-weather.ts";

/**
 * Open and closed bugs of aws/amazon-vpc-cni-k8s that come from believing instance metadata. Each test is the essence of
 * one: what the service said, and what must not follow from it.
 */
const MINUTE_MS = 60_000;
let lab: Lab;
afterEach(() => lab.close());

/** Interfaces with running pods and a buffer. */
async function withPods(count: number): Promise<readonly string[]> {
  lab = await Lab.open({ ipam: { "pre-allocate": 4 } });
  await lab.pods.run(count);
  await lab.quiet();
  lab.forget();
  return [...lab.pods.running.values()];
}

const leased = () => lab.manager.leases().map(({ address }) => address);

/** Somebody else, or EC2 itself, takes addresses off the primary interface. */
const takeAway = (addresses: readonly string[]) =>
  lab.cloud.call(
    "UnassignPrivateIpAddresses",
    { NetworkInterfaceId: PRIMARY, PrivateIpAddress: addresses },
    { caller: "foreign" },
  );

describe("a metadata service that answers with half of the addresses for ten minutes", () => {
  it("loses no lease and gives no address twice", async () => {
    await withPods(20);
    lab.onMetadata = half;
    for (let minute = 0; minute < 10; minute++) {
      // Pods come and go meanwhile; who came first, leaves first.
      await lab.pods.run(1);
      await lab.advance(30_000);
      await lab.pods.remove(1);
      await lab.advance(30_000);
      expect(new Set(leased())).toEqual(new Set(lab.pods.running.values()));
    }
    lab.onMetadata = undefined;
    await lab.advance(10 * MINUTE_MS);
    await lab.quiet();
    lab.agree();
    const released = lab
      .mutations("UnassignPrivateIpAddresses")
      .flatMap(({ parameters }) => [parameters.PrivateIpAddress ?? []].flat());
    for (const address of leased()) expect(released).not.toContain(address);
    expect(lab.said("block-lost")).toEqual([]);
    expect(lab.said("leased-block-lost")).toEqual([]);
  });

  it("does so across a restart in the middle of it", async () => {
    const before = await withPods(20);
    lab.onMetadata = half;
    await lab.advance(3 * MINUTE_MS);
    await lab.restart();
    await lab.advance(7 * MINUTE_MS);
    expect(new Set(leased())).toEqual(new Set(before));
    lab.onMetadata = undefined;
    await lab.quiet();
    lab.agree();
  });
});

describe("aws/amazon-vpc-cni-k8s#3876: an incomplete list at the start erased the record of running pods", () => {
  it("keeps every lease, in memory and on the disk, and serves new pods beside them", async () => {
    const before = await withPods(20);
    lab.onMetadata = half;
    await lab.restart();
    await lab.pods.run(2);
    await lab.advance(10 * MINUTE_MS);
    const durable = lab.disk.load().leases.map(({ address }) => address);
    for (const address of before) {
      expect(leased()).toContain(address);
      expect(durable).toContain(address);
    }
    // The next process finds them too, although metadata shows no more than before.
    await lab.restart();
    await lab.advance(MINUTE_MS);
    expect(leased().length).toBe(22);
    lab.onMetadata = undefined;
    await lab.quiet();
    lab.agree();
  });
});

describe("aws/amazon-vpc-cni-k8s#3824: what metadata did not list for two days was given back under running pods", () => {
  it("gives nothing back that a pod has, in hours of half a list with two restarts", async () => {
    const before = await withPods(20);
    lab.onMetadata = half;
    for (let hours = 0; hours < 6; hours += 2) {
      await lab.advance(2 * 60 * MINUTE_MS);
      await lab.restart();
    }
    const released = lab
      .mutations("UnassignPrivateIpAddresses")
      .flatMap(({ parameters }) => [parameters.PrivateIpAddress ?? []].flat());
    for (const address of before) expect(released).not.toContain(address);
    expect(lab.mutations("DetachNetworkInterface")).toEqual([]);
    lab.onMetadata = undefined;
    await lab.quiet();
    lab.agree();
    expect(new Set(leased())).toEqual(new Set(before));
  });

  it("does so when whole interfaces are missing from the list", async () => {
    const before = await withPods(20);
    const mac = lab.truth()[0]?.mac ?? "";
    lab.onMetadata = onlyThePrimary(mac);
    await lab.advance(4 * 60 * MINUTE_MS);
    await lab.restart();
    await lab.advance(4 * 60 * MINUTE_MS);
    expect(lab.mutations("DetachNetworkInterface")).toEqual([]);
    lab.onMetadata = undefined;
    await lab.quiet();
    lab.agree();
    expect(new Set(leased())).toEqual(new Set(before));
  });
});

describe("aws/amazon-vpc-cni-k8s#3887: an address that only stale metadata listed was given to a pod", () => {
  it("does not take back into the pool what EC2 says is gone", async () => {
    await withPods(2);
    const held = new Set(lab.pods.running.values());
    lab.onMetadata = frozen();
    await lab.advance(3 * MINUTE_MS);
    const gone = (lab.truth()[0]?.secondaryAddresses ?? []).filter((address) => !held.has(address)).slice(0, 2);
    expect(gone.length).toBe(2);
    takeAway(gone);
    lab.cloud.occupy(lab.truth()[0]?.subnetId ?? "", gone);
    // Two audits of EC2: the pool knows.
    await lab.advance(4 * 60 * MINUTE_MS);
    await lab.restart();
    await lab.advance(10 * MINUTE_MS);
    await lab.pods.run(10);
    for (const address of lab.pods.running.values()) expect(gone).not.toContain(address);
    await lab.quiet();
    lab.agree();
  });
});

describe("aws/amazon-vpc-cni-k8s#3019: metadata that stood still, with as many addresses as before, led to reuse", () => {
  it("keeps pods and pool apart while metadata shows the same number of other addresses", async () => {
    await withPods(4);
    lab.onMetadata = frozen();
    await lab.advance(3 * MINUTE_MS);
    const held = new Set(lab.pods.running.values());
    const free = (lab.truth()[0]?.secondaryAddresses ?? []).filter((address) => !held.has(address)).slice(0, 3);
    // EC2 has three others on it now; the number is the same, and metadata shows the old ones.
    takeAway(free);
    lab.cloud.call(
      "AssignPrivateIpAddresses",
      { NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: String(free.length) },
      { caller: "foreign" },
    );
    await lab.advance(5 * 60 * MINUTE_MS);
    await lab.pods.run(12);
    await lab.advance(60 * MINUTE_MS);
    const carried = new Set(lab.truth().flatMap((one) => one.secondaryAddresses));
    for (const address of lab.pods.running.values()) expect(carried).toContain(address);
    lab.onMetadata = undefined;
    await lab.quiet();
    lab.agree();
  });
});
