import { beforeEach, describe, expect, it } from "vitest";
import { FORBIDDEN_SUBNETS, NODE_GROUP, POD_GROUP, POD_SUBNETS } from "../../src/simulator/world/draw/place.ts";
import { breachesOfAnswer } from "../../src/simulator/world/promises/of-answers.ts";
import { breachesOfCall, breachesOfEffect } from "../../src/simulator/world/promises/of-calls.ts";
import {
  ADDRESS,
  answered,
  FORBIDDEN,
  FORBIDDEN_ADDRESS,
  failed,
  intentOf,
  leased,
  numbers,
  OTHER_ADDRESS,
  PREFIX,
  PRIMARY,
  PromiseStage,
  SECOND,
  sandboxOf,
} from "./promise-stage.ts";

const MINUTE_MS = 60_000;
let stage: PromiseStage;

beforeEach(() => {
  stage = new PromiseStage();
});

describe("what answers to the runtime are held against", () => {
  const ofAnswer = (
    ...[sandbox, verb, answer]: [
      Parameters<typeof breachesOfAnswer>[3],
      "add" | "del" | "check",
      ReturnType<typeof answered>,
    ]
  ) => numbers(breachesOfAnswer(stage.cloud, stage.addresses, stage.machine, sandbox, verb, answer));

  /** ADD of a new pod is answered with the address, of which it has a durable lease. */
  async function add(address: string) {
    const sandbox = sandboxOf(address);
    await stage.commit(leased(sandbox, address));
    return ofAnswer(sandbox, "add", answered(address));
  }

  it("lets a durable lease of an address that EC2 has on an allowed interface pass, and of one of a prefix", async () => {
    expect(await add(ADDRESS)).toEqual([]);
    expect(await add("10.65.0.35")).toEqual([]);
  });

  it("sees an answer without a durable lease, or with somebody else's", async () => {
    expect(ofAnswer(sandboxOf("web"), "add", answered(ADDRESS))).toEqual([2]);
    await stage.commit(leased(sandboxOf("other"), ADDRESS));
    expect(ofAnswer(sandboxOf("web"), "add", answered(ADDRESS))).toEqual([2]);
    // What the plugin says by itself is no promise of the daemon.
    expect(ofAnswer(sandboxOf("web"), "add", { ...answered(ADDRESS), by: "plugin" })).toEqual([]);
  });

  it("sees an address that EC2 has nowhere or on another instance, unless somebody else took it", async () => {
    expect(await add("10.65.0.99")).toEqual([1]);
    expect(await add(OTHER_ADDRESS)).toEqual([1]);
    stage.addresses.taint(OTHER_ADDRESS);
    expect(await add(OTHER_ADDRESS)).toEqual([]);
  });

  it("sees an address of a subnet that no configuration of the last half hour allows", async () => {
    expect(await add(FORBIDDEN_ADDRESS)).toEqual([6]);
    const eni = { "subnet-ids": [FORBIDDEN_SUBNETS[0]] };
    const sections = { eni, ipam: {} };
    stage.staged.configurations.unshift({ sections, untilMs: stage.scheduler.monotonicMs() });
    await stage.advance(29 * MINUTE_MS);
    expect(await add(FORBIDDEN_ADDRESS)).toEqual([]);
    await stage.advance(2 * MINUTE_MS);
    expect(await add(FORBIDDEN_ADDRESS)).toEqual([6]);
  });

  it("sees an address that cools still, for as long as the least of the settings says", async () => {
    const before = sandboxOf("before", [ADDRESS]);
    stage.addresses.use(stage.machine, before);
    stage.addresses.free(stage.machine, before, stage.scheduler.monotonicMs());
    await stage.advance(29_000);
    expect(await add(ADDRESS)).toEqual([1]);
    // A repetition of its own ADD, a boot and a wall clock that was set are no reason to complain.
    expect(ofAnswer(sandboxOf(ADDRESS, [ADDRESS]), "add", answered(ADDRESS))).toEqual([]);
    stage.staged.wallWasSet = true;
    expect(await add(ADDRESS)).toEqual([]);
    stage.staged.wallWasSet = false;
    stage.staged.bootedAtMs = stage.scheduler.monotonicMs();
    expect(await add(ADDRESS)).toEqual([]);
    stage.staged.bootedAtMs = -1;
    await stage.advance(1_000);
    expect(await add(ADDRESS)).toEqual([]);
  });

  it("sees a repeated ADD that answers another address", async () => {
    const sandbox = sandboxOf("web", [ADDRESS]);
    await stage.commit(leased(sandbox, ADDRESS));
    expect(ofAnswer(sandbox, "add", answered(ADDRESS))).toEqual([]);
    expect(ofAnswer(sandbox, "add", answered(SECOND))).toEqual([3, 2]);
    expect(ofAnswer(sandbox, "add", failed("ENID_NO_ADDRESS"))).toEqual([]);
  });

  it("sees a DEL and a CHECK that fail for no reason that passes", () => {
    expect(ofAnswer(sandboxOf("web"), "del", failed("ENID_INTERNAL"))).toEqual([3]);
    expect(ofAnswer(sandboxOf("web"), "del", failed("ENID_STATE_WRITE_FAILED"))).toEqual([]);
    expect(ofAnswer(sandboxOf("web"), "del", failed("ENID_INTERNAL", "plugin"))).toEqual([]);
    expect(ofAnswer(sandboxOf("web"), "check", failed("ENID_INTERNAL"))).toEqual([2]);
    expect(ofAnswer(sandboxOf("web"), "check", failed("ENID_STARTING"))).toEqual([]);
    expect(ofAnswer(sandboxOf("web"), "check", answered())).toEqual([]);
  });

  it("lets a CHECK say that an address is lost only when somebody took it away", () => {
    const lost = failed("ENID_ADDRESS_LOST");
    expect(ofAnswer(sandboxOf("web", [ADDRESS]), "check", lost)).toEqual([2]);
    expect(ofAnswer(sandboxOf("web", [OTHER_ADDRESS]), "check", lost)).toEqual([]);
    expect(ofAnswer(sandboxOf("web", ["10.65.0.99"]), "check", lost)).toEqual([]);
    stage.addresses.taint(ADDRESS);
    expect(ofAnswer(sandboxOf("web", [ADDRESS]), "check", lost)).toEqual([]);
  });
});

describe("what calls of EC2 are held against", () => {
  type Parameters = Readonly<Record<string, unknown>>;
  const sent = (action: string, parameters: Parameters) =>
    numbers(breachesOfCall(stage.cloud, stage.addresses, stage.machine, action, parameters as never));
  const carriedOut = (action: string, parameters: Parameters) =>
    numbers(breachesOfEffect(stage.cloud, stage.addresses, stage.machine, action, parameters as never));
  const reason = "test";
  const creation = { ClientToken: "intent-1", SubnetId: POD_SUBNETS[0], SecurityGroupId: [NODE_GROUP] };
  const assigning = (interfaceId: string) =>
    intentOf({ kind: "add-blocks", interfaceId, subnetId: POD_SUBNETS[0], count: 2, reason });
  const releasing = (...cidrs: string[]) => intentOf({ kind: "release-blocks", interfaceId: PRIMARY, cidrs, reason });
  const unassigned = (...addresses: string[]) => ({ NetworkInterfaceId: PRIMARY, PrivateIpAddress: addresses });
  const attachmentOf = (id: string) => ({ AttachmentId: stage.cloud.interface(id)?.attachment?.id ?? "none" });

  it("sees a create without a durable intent, in another subnet and with another group", async () => {
    expect(sent("CreateNetworkInterface", creation)).toEqual([5]);
    expect(sent("CreateNetworkInterface", { ...creation, ClientToken: "" })).toEqual([5]);
    await stage.commit(
      intentOf({ kind: "create-interface", subnetId: POD_SUBNETS[0], deviceIndex: 2, count: 4, reason }),
    );
    expect(sent("CreateNetworkInterface", creation)).toEqual([]);
    expect(sent("CreateNetworkInterface", { ...creation, SubnetId: FORBIDDEN_SUBNETS[0] })).toEqual([6]);
    expect(sent("CreateNetworkInterface", { ...creation, SecurityGroupId: [POD_GROUP] })).toEqual([6]);
    const { sections } = stage.staged;
    const named = { ...sections, eni: { ...sections.eni, "security-groups": [POD_GROUP] } };
    stage.staged.configurations = [{ sections: named, untilMs: Number.POSITIVE_INFINITY }];
    expect(sent("CreateNetworkInterface", { ...creation, SecurityGroupId: [POD_GROUP] })).toEqual([]);
    expect(sent("CreateNetworkInterface", creation)).toEqual([6]);
  });

  it("sees addresses that are taken without a durable intent, or in a subnet that nothing allows", async () => {
    const two = { NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: 2 };
    expect(sent("AssignPrivateIpAddresses", two)).toEqual([5]);
    expect(sent("ModifyNetworkInterfaceAttribute", { NetworkInterfaceId: PRIMARY })).toEqual([5]);
    expect(sent("DescribeNetworkInterfaces", { NetworkInterfaceId: [PRIMARY] })).toEqual([]);
    await stage.commit(assigning(PRIMARY));
    expect(sent("AssignPrivateIpAddresses", two)).toEqual([]);
    expect(sent("ModifyNetworkInterfaceAttribute", { NetworkInterfaceId: PRIMARY })).toEqual([]);
    await stage.commit(assigning(FORBIDDEN));
    expect(sent("AssignPrivateIpAddresses", { ...two, NetworkInterfaceId: FORBIDDEN })).toEqual([6]);
  });

  it("sees an address given back that is not durably marked, that a pod uses, or that cools", async () => {
    await stage.commit(assigning(PRIMARY));
    expect(sent("UnassignPrivateIpAddresses", unassigned(ADDRESS))).toEqual([4]);
    await stage.commit(releasing(`${ADDRESS}/32`));
    expect(sent("UnassignPrivateIpAddresses", unassigned(ADDRESS))).toEqual([]);
    const pod = await stage.pod("web", ADDRESS);
    expect(sent("UnassignPrivateIpAddresses", unassigned(ADDRESS))).toEqual([4]);
    stage.running.clear();
    stage.addresses.use(stage.machine, pod);
    stage.addresses.free(stage.machine, pod, stage.scheduler.monotonicMs());
    expect(sent("UnassignPrivateIpAddresses", unassigned(ADDRESS))).toEqual([4]);
    await stage.advance(30_000);
    expect(sent("UnassignPrivateIpAddresses", unassigned(ADDRESS))).toEqual([]);
  });

  it("sees a prefix given back of which a pod uses an address, and none beside it", async () => {
    await stage.commit(releasing(PREFIX));
    const prefix = { NetworkInterfaceId: PRIMARY, Ipv4Prefix: [PREFIX] };
    await stage.pod("beside", SECOND);
    expect(sent("UnassignPrivateIpAddresses", prefix)).toEqual([]);
    await stage.pod("within", "10.65.0.47");
    expect(sent("UnassignPrivateIpAddresses", prefix)).toEqual([4]);
    expect(carriedOut("UnassignPrivateIpAddresses", prefix)).toEqual([4]);
  });

  it("sees an interface taken away on which a pod runs, when it is asked for and when it happens", async () => {
    await stage.commit(intentOf({ kind: "remove-interface", interfaceId: PRIMARY, reason }));
    const detach = attachmentOf(PRIMARY);
    await stage.pod("elsewhere", FORBIDDEN_ADDRESS);
    expect(sent("DetachNetworkInterface", detach)).toEqual([]);
    expect(carriedOut("DetachNetworkInterface", detach)).toEqual([]);
    expect(sent("DetachNetworkInterface", attachmentOf(FORBIDDEN))).toEqual([5, 4]);
    expect(sent("DetachNetworkInterface", { AttachmentId: "of-before" })).toEqual([]);
    await stage.pod("web", ADDRESS);
    expect(sent("DetachNetworkInterface", detach)).toEqual([4]);
    expect(carriedOut("DetachNetworkInterface", detach)).toEqual([4]);
    expect(sent("DeleteNetworkInterface", { NetworkInterfaceId: PRIMARY })).toEqual([4]);
    expect(carriedOut("DeleteNetworkInterface", { NetworkInterfaceId: PRIMARY })).toEqual([4]);
    stage.addresses.taint(ADDRESS);
    expect(carriedOut("DeleteNetworkInterface", { NetworkInterfaceId: PRIMARY })).toEqual([]);
  });

  it("holds the effect of a release against pods alone: how it came to be asked for was looked at before", async () => {
    expect(carriedOut("UnassignPrivateIpAddresses", unassigned(ADDRESS))).toEqual([]);
    await stage.pod("web", ADDRESS);
    expect(carriedOut("UnassignPrivateIpAddresses", unassigned(ADDRESS))).toEqual([4]);
    expect(carriedOut("UnassignPrivateIpAddresses", unassigned(SECOND))).toEqual([]);
    expect(carriedOut("UnassignPrivateIpAddresses", unassigned(SECOND, ADDRESS))).toEqual([4]);
    expect(carriedOut("AssignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY })).toEqual([]);
  });
});
