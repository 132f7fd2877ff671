import { describe, expect, test } from "vitest";
import type { Result, SettingsPatch } from "../../src/simulator/index.ts";
import { laboratory, NODE, NODE_SUBNET, PRIMARY, refusalOf } from "./support.ts";

type Lab = ReturnType<typeof laboratory>;

const create = ({ cloud }: Lab, more: Record<string, string | number> = {}): string => {
  const made = cloud.call("CreateNetworkInterface", { SubnetId: NODE_SUBNET, ...more }).networkInterface as Result;
  return String(made.networkInterfaceId);
};
const attach = ({ cloud }: Lab, id: string, index = 1): string =>
  String(
    cloud.call("AttachNetworkInterface", { NetworkInterfaceId: id, InstanceId: NODE, DeviceIndex: index }).attachmentId,
  );
const shown = ({ cloud }: Lab, id: string): Result | undefined => {
  const answer = cloud.call("DescribeNetworkInterfaces", { Filter: [{ Name: "network-interface-id", Value: [id] }] });
  return (answer.networkInterfaceSet as readonly Result[])[0];
};
const statusOf = (lab: Lab, id: string) => {
  const one = shown(lab, id);
  return one && [one.status, (one.attachment as Result | undefined)?.status];
};
const addressesOf = (lab: Lab, id: string) =>
  (shown(lab, id)?.privateIpAddressesSet as readonly Result[] | undefined)?.length;

describe("states take time", () => {
  test("an attachment is attaching before it is attached, and detaching before it is gone", () => {
    const lab = laboratory({ attachMs: 3_000, detachMs: { minMs: 2_000, maxMs: 2_500 } });
    const id = create(lab);
    const attachmentId = attach(lab, id);
    expect(statusOf(lab, id)).toEqual(["in-use", "attaching"]);
    lab.clock.advance(2_999);
    expect(statusOf(lab, id)).toEqual(["in-use", "attaching"]);
    lab.clock.advance(1);
    expect(statusOf(lab, id)).toEqual(["in-use", "attached"]);
    lab.cloud.call("DetachNetworkInterface", { AttachmentId: attachmentId });
    expect(statusOf(lab, id)).toEqual(["detaching", "detaching"]);
    expect(refusalOf(() => lab.cloud.call("DeleteNetworkInterface", { NetworkInterfaceId: id })).message).toContain(
      "in use",
    );
    lab.clock.advance(2_500);
    expect(statusOf(lab, id)).toEqual(["available", undefined]);
    lab.cloud.call("DeleteNetworkInterface", { NetworkInterfaceId: id });
  });

  test("a device index is free only when its interface is gone", () => {
    const lab = laboratory({ detachMs: 2_000 });
    const first = create(lab);
    const second = create(lab);
    lab.cloud.call("DetachNetworkInterface", { AttachmentId: attach(lab, first) });
    expect(refusalOf(() => attach(lab, second)).message).toContain(
      "already has an interface attached at device index '1'",
    );
    lab.clock.advance(2_000);
    attach(lab, second);
  });

  test("a detach during the attach wins", () => {
    const lab = laboratory({ attachMs: 5_000, detachMs: 10_000 });
    const id = create(lab);
    lab.cloud.call("DetachNetworkInterface", { AttachmentId: attach(lab, id) });
    lab.clock.advance(9_999);
    expect(statusOf(lab, id)).toEqual(["detaching", "detaching"]);
    lab.clock.advance(1);
    expect(statusOf(lab, id)).toEqual(["available", undefined]);
  });

  test("an attachment that was forced away does not complete the next one", () => {
    const lab = laboratory({ attachMs: 5_000 });
    const id = create(lab);
    lab.cloud.call("DetachNetworkInterface", { AttachmentId: attach(lab, id), Force: true });
    lab.clock.advance(3_000);
    attach(lab, id);
    lab.clock.advance(4_999);
    expect(statusOf(lab, id)).toEqual(["in-use", "attaching"]);
    lab.clock.advance(1);
    expect(statusOf(lab, id)).toEqual(["in-use", "attached"]);
  });

  test("stuck attachments and detachments stay so until they are released", () => {
    const lab = laboratory({ attachStuck: true, detachStuck: true });
    const id = create(lab);
    const attachmentId = attach(lab, id);
    lab.clock.advance(600_000);
    expect(statusOf(lab, id)).toEqual(["in-use", "attaching"]);
    lab.cloud.changeSettings({ attachStuck: false });
    expect(statusOf(lab, id)).toEqual(["in-use", "attached"]);
    lab.cloud.call("DetachNetworkInterface", { AttachmentId: attachmentId });
    lab.clock.advance(600_000);
    expect(statusOf(lab, id)).toEqual(["detaching", "detaching"]);
    expect(lab.cloud.truth().pendingTransitions).toBe(1);
    lab.cloud.changeSettings({ detachStuck: false });
    expect(statusOf(lab, id)).toEqual(["available", undefined]);
  });
});

describe("Describe lags", () => {
  test("behind every change, while changes themselves see the truth", () => {
    const lab = laboratory({ describeLagMs: 1_000 });
    lab.cloud.call("AssignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: 9 });
    expect(addressesOf(lab, PRIMARY)).toBe(1);
    const more = () =>
      lab.cloud.call("AssignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: 1 });
    expect(refusalOf(more).code).toBe("PrivateIpAddressLimitExceeded");
    lab.clock.advance(999);
    expect(addressesOf(lab, PRIMARY)).toBe(1);
    lab.clock.advance(1);
    expect(addressesOf(lab, PRIMARY)).toBe(10);
  });

  test("behind deletion: the interface is still shown for a while", () => {
    const lab = laboratory({ describeLagMs: 1_000 });
    const id = create(lab);
    lab.cloud.call("DeleteNetworkInterface", { NetworkInterfaceId: id });
    expect(statusOf(lab, id)).toEqual(["available", undefined]);
    expect(refusalOf(() => lab.cloud.call("DeleteNetworkInterface", { NetworkInterfaceId: id })).code).toBe(
      "InvalidNetworkInterfaceID.NotFound",
    );
    lab.clock.advance(1_000);
    expect(shown(lab, id)).toBeUndefined();
  });

  test("never show changes out of order, however the lags are drawn", () => {
    const lab = laboratory({ describeLagMs: { minMs: 0, maxMs: 5_000 } });
    let last = 1;
    for (let round = 0; round < 9; round += 1) {
      lab.cloud.call("AssignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: 1 });
      for (let step = 0; step < 5; step += 1) {
        const seen = addressesOf(lab, PRIMARY) ?? 0;
        expect(seen).toBeGreaterThanOrEqual(last);
        last = seen;
        lab.clock.advance(300);
      }
    }
    lab.clock.advance(5_000);
    expect(addressesOf(lab, PRIMARY)).toBe(10);
  });

  test("in the order of the changes: a quick one waits for the slow one ahead of it", () => {
    const lab = laboratory({ describeLagMs: 5_000 });
    const assign = () =>
      lab.cloud.call("AssignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: 1 });
    assign();
    lab.cloud.changeSettings({ describeLagMs: 0 });
    assign();
    lab.clock.advance(4_999);
    expect(addressesOf(lab, PRIMARY)).toBe(1);
    lab.clock.advance(1);
    expect(addressesOf(lab, PRIMARY)).toBe(3);
  });

  test("by replica: two Describes of the same moment may differ", () => {
    const lab = laboratory({ describeLagMs: { minMs: 0, maxMs: 10_000 }, describeReplicas: 4 });
    lab.cloud.call("AssignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: 1 });
    lab.clock.advance(5_000);
    const seen = new Set(Array.from({ length: 40 }, () => addressesOf(lab, PRIMARY)));
    expect(seen).toEqual(new Set([1, 2]));
  });

  test("a new interface may be unknown to every call for a while", () => {
    const lab = laboratory({ notFoundAfterCreateMs: 4_000 });
    const id = create(lab);
    const named = () => lab.cloud.call("DescribeNetworkInterfaces", { NetworkInterfaceId: [id] });
    expect(refusalOf(named).code).toBe("InvalidNetworkInterfaceID.NotFound");
    expect(refusalOf(() => attach(lab, id)).code).toBe("InvalidNetworkInterfaceID.NotFound");
    expect(shown(lab, id)).toBeUndefined();
    lab.clock.advance(4_000);
    named();
    attach(lab, id);
  });

  test("speed divides every duration", () => {
    const patch: SettingsPatch = { attachMs: 3_000, describeLagMs: 0, speed: 10 };
    const lab = laboratory(patch);
    const id = create(lab);
    attach(lab, id);
    lab.clock.advance(299);
    expect(statusOf(lab, id)).toEqual(["in-use", "attaching"]);
    lab.clock.advance(1);
    expect(statusOf(lab, id)).toEqual(["in-use", "attached"]);
  });
});

describe("throttling", () => {
  const describeAll = (lab: Lab) => lab.cloud.call("DescribeNetworkInterfaces", {});
  const burst = (call: () => unknown) => {
    let served = 0;
    for (;;) {
      try {
        call();
        served += 1;
      } catch {
        return served;
      }
    }
  };

  test("has one bucket per action, with the published capacities and refills", () => {
    const lab = laboratory();
    const assign = () =>
      lab.cloud.call("AssignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: 1 });
    for (let index = 0; index < 100; index += 1) index < 9 ? assign() : refusalOf(assign);
    expect(refusalOf(assign)).toEqual({
      code: "RequestLimitExceeded",
      message: "Request limit exceeded.",
      httpStatus: 503,
    });
    lab.clock.advance(1_000);
    for (let index = 0; index < 5; index += 1) expect(refusalOf(assign).code).toBe("PrivateIpAddressLimitExceeded");
    expect(refusalOf(assign).code).toBe("RequestLimitExceeded");
    expect(burst(() => describeAll(lab))).toBe(50);
    expect(burst(() => shown(lab, PRIMARY))).toBe(100);
    lab.clock.advance(1_000);
    expect(burst(() => describeAll(lab))).toBe(10);
    expect(burst(() => shown(lab, PRIMARY))).toBe(20);
    expect(burst(() => lab.cloud.call("DescribeSubnets", {}))).toBe(100);
  });

  test("refills faster with speed, follows overrides, and can be off", () => {
    const fast = laboratory({ speed: 10, buckets: { DescribeVpcs: { capacity: 3, refillPerSecond: 1 } } });
    expect(burst(() => fast.cloud.call("DescribeVpcs", {}))).toBe(3);
    fast.clock.advance(200);
    expect(burst(() => fast.cloud.call("DescribeVpcs", {}))).toBe(2);
    const off = laboratory({ throttling: false });
    for (let index = 0; index < 1_000; index += 1) describeAll(off);
  });

  test("does not count or stop a foreign hand", () => {
    const lab = laboratory({ buckets: { CreateTags: { capacity: 1, refillPerSecond: 0 } } });
    const tag = (caller: "client" | "foreign") =>
      lab.cloud.call("CreateTags", { ResourceId: [PRIMARY], Tag: [{ Key: "a", Value: "b" }] }, { caller });
    for (let index = 0; index < 5; index += 1) tag("foreign");
    tag("client");
    expect(refusalOf(() => tag("client")).code).toBe("RequestLimitExceeded");
    expect(lab.cloud.log.counts()).toEqual({
      CreateTags: { requests: 2, succeeded: 1, throttled: 1, failed: 0, isMutating: true },
    });
    expect(lab.cloud.log.calls()).toHaveLength(7);
  });
});

describe("instances come and go", () => {
  test("termination deletes the interfaces that go with it and frees the others", () => {
    const lab = laboratory();
    const stays = create(lab);
    const goes = create(lab);
    attach(lab, stays, 1);
    const AttachmentId = attach(lab, goes, 2);
    lab.cloud.call("ModifyNetworkInterfaceAttribute", {
      NetworkInterfaceId: goes,
      Attachment: { AttachmentId, DeleteOnTermination: true },
    });
    lab.cloud.terminate(NODE);
    const ids = lab.cloud.truth().interfaces.map((one) => one.id);
    expect(ids).not.toContain(PRIMARY);
    expect(ids).not.toContain(goes);
    expect(lab.cloud.truth().orphans).toContain(stays);
    expect(refusalOf(() => attach(lab, stays)).code).toBe("IncorrectState");
    const answer = lab.cloud.call("DescribeInstances", { InstanceId: [NODE] });
    expect(JSON.stringify(answer)).toContain('"name":"terminated"');
  });

  test("a foreign hand may delete an attached interface", () => {
    const lab = laboratory();
    const id = create(lab, { SecondaryPrivateIpAddressCount: 2 });
    attach(lab, id);
    const before = lab.cloud.truth().subnets[0]?.freeAddresses ?? 0;
    lab.cloud.erase(id);
    expect(lab.cloud.truth().subnets[0]?.freeAddresses).toBe(before + 3);
    expect(refusalOf(() => lab.cloud.erase(id)).code).toBe("InvalidNetworkInterfaceID.NotFound");
  });
});
