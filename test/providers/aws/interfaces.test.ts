import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/adapters/index.ts";
import { blocksOf } from "../../../src/providers/aws/block-units.ts";
import { fromEc2, InterfaceMemory } from "../../../src/providers/aws/interfaces.ts";
import type { MetadataInterface } from "../../../src/providers/aws/metadata-interfaces.ts";

const attachment = {
  AttachmentId: "eni-attach-1",
  InstanceId: "i-1",
  DeviceIndex: 1,
  NetworkCardIndex: 0,
  Status: "attached",
} as const;
const described = {
  NetworkInterfaceId: "eni-1",
  MacAddress: "02:AA:BB:00:00:01",
  SubnetId: "subnet-1",
  PrivateIpAddress: "10.0.0.5",
  PrivateIpAddresses: [
    { PrivateIpAddress: "10.0.0.5", Primary: true },
    { PrivateIpAddress: "10.0.0.6", Primary: false },
  ],
  Ipv4Prefixes: [{ Ipv4Prefix: "10.0.0.32/28" }],
  Groups: [{ GroupId: "sg-1" }],
  Attachment: attachment,
};
const seenInMetadata: MetadataInterface = {
  id: "eni-1",
  mac: "02:aa:bb:00:00:01",
  deviceIndex: 1,
  networkCard: 0,
  subnetId: "subnet-1",
  subnetCidr: "10.0.0.0/24",
  addresses: ["10.0.0.5", "10.0.0.6"],
  prefixes: [],
  ipv6Prefixes: [],
  complete: true,
  securityGroups: ["sg-1"],
};

describe("an interface as EC2 describes it", () => {
  it("is told with its secondary addresses, prefixes and attachment", () => {
    const known = fromEc2(described, "i-1", "10.0.0.0/24");
    expect(known).toMatchObject({
      id: "eni-1",
      mac: "02:aa:bb:00:00:01",
      deviceIndex: 1,
      primaryAddress: "10.0.0.5",
      addresses: ["10.0.0.6"],
      prefixes: ["10.0.0.32/28"],
      securityGroups: ["sg-1"],
      attachmentId: "eni-attach-1",
      attached: true,
      madeBy: "other",
      offLimits: undefined,
    });
    expect(blocksOf(known)).toEqual(["10.0.0.6/32", "10.0.0.32/28"]);
  });

  it.each([
    ["has none", undefined],
    ["is empty, as the SDK reads an empty element", {}],
    ["is on its way out", { ...attachment, Status: "detaching" as const }],
    ["is to another instance", { ...attachment, InstanceId: "i-2" }],
  ])("counts as not attached when its attachment %s", (_, Attachment) => {
    const { Attachment: _attached, ...rest } = described;
    const known = fromEc2(Attachment === undefined ? rest : { ...rest, Attachment }, "i-1", "");
    expect(known).toMatchObject({ attached: false, deviceIndex: -1, attachmentId: "" });
  });

  it("is made by enid only when the tag names this instance", () => {
    const tagged = (Value: string) =>
      fromEc2({ ...described, TagSet: [{ Key: "enid.io/instance-id", Value }] }, "i-1", "");
    expect(tagged("i-1").madeBy).toBe("enid");
    expect(tagged("i-2").madeBy).toBe("other");
  });

  it.each([
    [{ RequesterManaged: true, RequesterId: "amazon-elb" }, "managed by amazon-elb"],
    [{ Operator: { Managed: true, Principal: "eks.amazonaws.com" } }, "managed by eks.amazonaws.com"],
    [{ InterfaceType: "trunk" as const }, "of type trunk"],
  ])("is off limits when %j", (more, why) => {
    expect(fromEc2({ ...described, ...more }, "i-1", "").offLimits).toBe(why);
  });
});

describe("the memory of interfaces", () => {
  it("lets metadata show no addresses of an interface that is known to be foreign", () => {
    const memory = new InterfaceMemory(systemClock);
    const { addresses: _none, ...rest } = seenInMetadata;
    const bare = { ...rest, addresses: undefined };
    expect(memory.observedFromMetadata(bare)).toBeUndefined();
    memory.put(fromEc2({ ...described, InterfaceType: "efa-only" as never }, "i-1", ""));
    expect(memory.observedFromMetadata(bare)).toMatchObject({ foreign: true, addresses: [], primaryAddress: "" });
    memory.put(fromEc2(described, "i-1", ""));
    expect(memory.observedFromMetadata(bare)).toBeUndefined();
  });

  it("keeps what was put after the time that a list may lag", () => {
    let nowMs = 0;
    const memory = new InterfaceMemory({ ...systemClock, monotonicMs: () => nowMs });
    memory.put(fromEc2(described, "i-1", ""));
    nowMs = 5_000;
    memory.put({ ...fromEc2(described, "i-1", ""), id: "eni-2" });
    memory.replaceAll([], 4_000);
    expect(memory.all().map((one) => one.id)).toEqual(["eni-2"]);
  });
});
