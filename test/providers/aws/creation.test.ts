import { describe, expect, it } from "vitest";
import { EnidError } from "../../../src/errors.ts";
import {
  actions,
  expectComplete,
  expectNothingOfEnid,
  failedExecute,
  foreignInterface,
  readyNode,
  settled,
} from "./driving.ts";
import { createStep, INSTANCE, intentOf, NODE, POD_SUBNET, Progress } from "./harness.ts";
import { rejection } from "./support.ts";

describe("creating an interface", () => {
  it("takes three mutating calls and no describe", async () => {
    const node = await readyNode();
    const outcome = await node.provider.execute(intentOf(createStep(9)), new Progress().report);
    expect(actions(node)).toEqual([
      "CreateNetworkInterface",
      "AttachNetworkInterface",
      "ModifyNetworkInterfaceAttribute",
    ]);
    expectComplete(node, 9);
    expect(outcome).toMatchObject({
      kind: "done",
      interface: { subnetCidr: "10.64.1.0/24", deviceIndex: 1, madeBy: "enid", attached: true },
    });
  });

  it("carries tags, a description and the intent's id as token in the create itself", async () => {
    const node = await readyNode();
    const intent = intentOf(createStep(2));
    await node.provider.execute(intent, new Progress().report);
    expect(node.made()[0]).toMatchObject({
      description: `enid ${INSTANCE}`,
      tags: {
        "enid.io/managed": "true",
        "enid.io/instance-id": INSTANCE,
        "enid.io/intent": intent.id,
        "enid.io/created-at": new Date(intent.openedAtMs).toISOString(),
      },
    });
    expect(node.calls()[0]?.parameters.ClientToken).toBe(intent.id);
  });

  it("leaves out the third call when the interface shall outlive the instance", async () => {
    const node = await readyNode();
    await node.provider.execute(intentOf(createStep(2), { deleteOnTermination: false }), new Progress().report);
    expect(actions(node)).toEqual(["CreateNetworkInterface", "AttachNetworkInterface"]);
    expect(node.made()[0]?.attachment?.deleteOnTermination).toBe(false);
  });

  it("waits for an interface that EC2 does not know yet right after making it", async () => {
    const node = await readyNode();
    node.settings({ notFoundAfterCreateMs: 15_000 });
    await node.provider.execute(intentOf(createStep(3)), new Progress().report);
    expectComplete(node, 3);
    const refused = node.calls().filter((call) => call.code === "InvalidNetworkInterfaceID.NotFound");
    expect(refused.length).toBeGreaterThan(0);
    expect(new Set(refused.map((call) => call.action))).toEqual(new Set(["AttachNetworkInterface"]));
  });

  it("takes the next device index when the step's one is taken, after one describe", async () => {
    const node = await readyNode();
    foreignInterface(node, INSTANCE, 1);
    node.simulator.cloud.log.reset();
    const outcome = await node.provider.execute(intentOf(createStep(2)), new Progress().report);
    expect(outcome).toMatchObject({ kind: "done", interface: { deviceIndex: 2 } });
    expect(actions(node)).toEqual([
      "CreateNetworkInterface",
      "AttachNetworkInterface",
      "DescribeNetworkInterfaces",
      "AttachNetworkInterface",
      "ModifyNetworkInterfaceAttribute",
    ]);
    expect(node.telemetry.eventNames()).toContain("device-index-taken");
  });

  it("goes on to the next index when the describe does not show yet who has the others", async () => {
    const node = await readyNode({ model: { instances: [{ ...NODE, type: "m5.xlarge" }] } });
    node.settings({ describeLagMs: 60_000_000 });
    foreignInterface(node, INSTANCE, 1);
    foreignInterface(node, INSTANCE, 2);
    const outcome = await node.provider.execute(intentOf(createStep(2)), new Progress().report);
    expect(outcome).toMatchObject({ kind: "done", interface: { deviceIndex: 3 } });
  });

  it("deletes the interface again when no device index above is free", async () => {
    const node = await readyNode();
    foreignInterface(node, INSTANCE, 2);
    const { failure } = await failedExecute(node, intentOf(createStep(2, 2)));
    expect(failure).toMatchObject({ class: "limit", effect: "none" });
    expectNothingOfEnid(node);
  });

  it("deletes the interface again when the instance is full", async () => {
    const node = await readyNode();
    foreignInterface(node, INSTANCE, 1);
    foreignInterface(node, INSTANCE, 2);
    node.simulator.cloud.log.reset();
    const { failure, error } = await failedExecute(node, intentOf(createStep(2, 3)));
    expect(failure).toMatchObject({ class: "limit", effect: "none", ec2Code: "AttachmentLimitExceeded" });
    expect(error.code).toBe("ENID_EC2_FAILED");
    expectNothingOfEnid(node);
    expect(actions(node, true)).toEqual(["CreateNetworkInterface", "AttachNetworkInterface", "DeleteNetworkInterface"]);
    expect(node.telemetry.eventNames()).toContain("interface-discarded");
  });

  it("deletes the interface again when it may not attach, also when EC2 does not show it yet", async () => {
    const node = await readyNode();
    node.settings({ notFoundAfterCreateMs: 20_000, describeLagMs: 20_000 });
    node.fault("AttachNetworkInterface", { kind: "error", code: "UnauthorizedOperation" });
    const { failure } = await failedExecute(node, intentOf(createStep(2)));
    expect(failure).toMatchObject({ class: "unauthorized", effect: "none" });
    expectNothingOfEnid(node);
  });

  it("says that the effect is unknown when the interface cannot be deleted again, and settles later", async () => {
    const node = await readyNode();
    node.fault("AttachNetworkInterface", { kind: "error", code: "UnauthorizedOperation" });
    node.fault("DeleteNetworkInterface", { kind: "error", code: "RequestLimitExceeded" });
    const { failure, intent } = await failedExecute(node, intentOf(createStep(2)));
    expect(failure).toMatchObject({ class: "throttled", effect: "unknown" });
    expect(node.made()).toHaveLength(1);
    expect(await settled(node, intent, "undo")).toEqual({ kind: "undone" });
    expectNothingOfEnid(node);
  });

  it("keeps the error of a report that cannot be made durable, and leaves the intent to be settled", async () => {
    const node = await readyNode();
    const intent = intentOf(createStep(2));
    const full = new EnidError("ENID_STATE_WRITE_FAILED", { detail: "no space left on device" });
    const error = (await rejection(node.provider.execute(intent, () => Promise.reject(full)))) as EnidError;
    expect(error.code).toBe("ENID_STATE_WRITE_FAILED");
    expect(error.details).toMatchObject({ effect: "unknown" });
    expect(actions(node, true)).toEqual(["CreateNetworkInterface"]);
    expect(await settled(node, intent, "undo")).toEqual({ kind: "undone" });
    expectNothingOfEnid(node);
  });

  it("leaves the intent to be settled when it is cancelled in the middle", async () => {
    const node = await readyNode();
    node.fault("AttachNetworkInterface", { kind: "hang", moment: "after" });
    const stop = new AbortController();
    const progress = new Progress();
    const intent = intentOf(createStep(2));
    const failed = rejection(node.provider.execute(intent, progress.report, stop.signal));
    await expect.poll(() => node.made()[0]?.attachment).toBeDefined();
    stop.abort(new Error("the daemon stops"));
    expect(((await failed) as EnidError).details).toMatchObject({ effect: "unknown" });
    expect(await settled(node, progress.onto(intent), "finish")).toMatchObject({ kind: "done" });
    expectComplete(node, 2);
  });
});

describe("a create that meets a fault", () => {
  const FAULTS = {
    "a truncated answer": { kind: "truncated" },
    "a page of HTML": { kind: "html" },
    "an internal error": { kind: "error", code: "InternalError", httpStatus: 500 },
    "no answer, without effect": { kind: "hang", moment: "before" },
    "no answer, with effect": { kind: "hang", moment: "after" },
  } as const;
  const ACTIONS = ["CreateNetworkInterface", "AttachNetworkInterface", "ModifyNetworkInterfaceAttribute"];
  const cases = Object.entries(FAULTS).flatMap(([name, effect]) => ACTIONS.map((action) => ({ name, effect, action })));

  it.each(cases)("is finished or undone without a leak: $name of $action", async ({ effect, action }) => {
    const settle = async (how: "finish" | "undo") => {
      const node = await readyNode();
      node.fault(action, effect);
      const { failure, intent } = await failedExecute(node, intentOf(createStep(4)));
      expect(failure).toMatchObject({ class: "transient", effect: "unknown" });
      // Nothing is tried again on its own: each action was sent once.
      expect(new Set(actions(node, true)).size).toBe(actions(node, true).length);

      const outcome = await settled(node, intent, how);
      if (how === "undo") {
        expect(outcome).toEqual({ kind: "undone" });
        expectNothingOfEnid(node);
      } else {
        expect(outcome).toMatchObject({ kind: "done" });
        expectComplete(node, 4);
      }
    };
    await Promise.all([settle("finish"), settle("undo")]);
  });

  it("has no effect when the create itself is throttled", async () => {
    const node = await readyNode();
    node.fault("CreateNetworkInterface", { kind: "error", code: "RequestLimitExceeded" });
    const { failure, error } = await failedExecute(node, intentOf(createStep(4)));
    expect(failure).toMatchObject({ class: "throttled", effect: "none", ec2Code: "RequestLimitExceeded" });
    expect(error.code).toBe("ENID_EC2_THROTTLED");
    expect(actions(node, true)).toEqual(["CreateNetworkInterface"]);
    expectNothingOfEnid(node);
  });

  it.each(["AttachNetworkInterface", "ModifyNetworkInterfaceAttribute"])(
    "stays to be finished when %s is throttled",
    async (action) => {
      const node = await readyNode();
      node.fault(action, { kind: "error", code: "RequestLimitExceeded" });
      const { failure, intent } = await failedExecute(node, intentOf(createStep(4)));
      expect(failure).toMatchObject({ class: "throttled", effect: "unknown" });
      expect(await settled(node, intent, "finish")).toMatchObject({ kind: "done" });
      expectComplete(node, 4);
    },
  );

  it.each([
    ["InsufficientFreeAddressesInSubnet", "full"],
    ["InsufficientCidrBlocks", "no blocks"],
    ["InvalidParameterValue", "There aren't sufficient free Ipv4 addresses or prefixes"],
  ])("says that the subnet is exhausted when EC2 answers %s", async (code, message) => {
    const node = await readyNode();
    node.fault("CreateNetworkInterface", { kind: "error", code, message });
    const { failure, error } = await failedExecute(node, intentOf(createStep(4)));
    expect(failure).toMatchObject({ class: "subnet-exhausted", effect: "none", subnetId: POD_SUBNET });
    expect(error.code).toBe("ENID_SUBNET_EMPTY");
  });

  it("says so of a subnet that is really full", async () => {
    const node = await readyNode();
    node.simulator.cloud.occupy(POD_SUBNET, 250);
    const { failure } = await failedExecute(node, intentOf(createStep(4)));
    expect(failure).toMatchObject({ class: "subnet-exhausted", effect: "none", subnetId: POD_SUBNET });
    expectNothingOfEnid(node);
  });
});
