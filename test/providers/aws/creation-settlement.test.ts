import { describe, expect, it } from "vitest";
import type { EnidError } from "../../../src/errors.ts";
import type { Intent } from "../../../src/manager/ports/index.ts";
import {
  actions,
  expectComplete,
  expectNothingOfEnid,
  failedExecute,
  foreignCall,
  readyNode,
  settled,
} from "./driving.ts";
import { AN_HOUR_MS, createStep, INSTANCE, intentOf, type Node, OTHER_INSTANCE, POD_SUBNET } from "./harness.ts";
import { rejection } from "./support.ts";

/** Changes from now on show in describes after 600 ms: within the time that the provider grants. */
function lagsFromNow(node: Node): void {
  node.settings({ describeLagMs: 60_000 });
}

describe("settling a create", () => {
  it("finds what was made by the token although describes do not show it", async () => {
    for (const how of ["finish", "undo"] as const) {
      const node = await readyNode();
      node.settings({ notFoundAfterCreateMs: 60_000 });
      node.fault("CreateNetworkInterface", { kind: "lost-reply" });
      const { intent } = await failedExecute(node, intentOf(createStep(4)));
      await settled(node, intent, how);
      if (how === "undo") expectNothingOfEnid(node);
      else expectComplete(node, 4);
    }
  });

  it("accepts an attachment that describes do not show yet", async () => {
    const node = await readyNode();
    node.fault("AttachNetworkInterface", { kind: "lost-reply" });
    const { intent } = await failedExecute(node, intentOf(createStep(4)), () => lagsFromNow(node));
    expect(await settled(node, intent, "finish")).toMatchObject({ kind: "done", interface: { deviceIndex: 1 } });
    expectComplete(node, 4);
  });

  it("does not attach again what is attached", async () => {
    const node = await readyNode();
    node.fault("ModifyNetworkInterfaceAttribute", { kind: "reset" });
    const { intent } = await failedExecute(node, intentOf(createStep(4)));
    node.simulator.cloud.log.reset();
    expect(await settled(node, intent, "finish")).toMatchObject({ kind: "done" });
    expect(actions(node, true)).toEqual(["ModifyNetworkInterfaceAttribute"]);
    expectComplete(node, 4);
  });

  it("takes for its own an attachment that came about late and has the device index", async () => {
    const node = await readyNode();
    node.fault("AttachNetworkInterface", { kind: "reset" });
    const { intent } = await failedExecute(node, intentOf(createStep(4, 2)));
    const { cloud } = node.simulator;
    const draw = cloud.drawFault.bind(cloud);
    // The first attach, delayed on its way, takes effect just before the second one.
    cloud.drawFault = (action) => {
      if (action !== "AttachNetworkInterface") return draw(action);
      cloud.drawFault = draw;
      const NetworkInterfaceId = intent.interfaceId ?? "";
      foreignCall(node, action, { NetworkInterfaceId, InstanceId: INSTANCE, DeviceIndex: "2" });
      const message = `Instance '${INSTANCE}' already has an interface attached at device index '2'.`;
      return { kind: "error", code: "InvalidParameterValue", message };
    };
    expect(await settled(node, intent, "finish")).toMatchObject({ kind: "done", interface: { deviceIndex: 2 } });
    expectComplete(node, 4, 2);
  });

  it("detaches what describes show as detached, because the delete says that it is in use", async () => {
    const node = await readyNode();
    node.fault("AttachNetworkInterface", { kind: "lost-reply" });
    const { intent } = await failedExecute(node, intentOf(createStep(4)), () => lagsFromNow(node));
    expect(await settled(node, intent, "undo")).toEqual({ kind: "undone" });
    expectNothingOfEnid(node);
    expect(node.calls().some((call) => call.parameters.Force !== undefined)).toBe(false);
  });

  it("goes by the tag once the token may be forgotten", async () => {
    const dayAgo = Date.now() - 25 * AN_HOUR_MS;
    for (const how of ["finish", "undo"] as const) {
      const node = await readyNode();
      node.fault("CreateNetworkInterface", { kind: "lost-reply" });
      const { intent } = await failedExecute(node, intentOf(createStep(4), { openedAtMs: dayAgo }));
      node.simulator.cloud.log.reset();
      await settled(node, intent, how);
      expect(actions(node, true)).not.toContain("CreateNetworkInterface");
      if (how === "undo") expectNothingOfEnid(node);
      else expectComplete(node, 4);
    }
  });

  it("makes no mutating call for an old intent of which nothing is there", async () => {
    const node = await readyNode();
    const intent = intentOf(createStep(4), { openedAtMs: Date.now() - 25 * AN_HOUR_MS });
    for (const how of ["finish", "undo"] as const) expect(await settled(node, intent, how)).toEqual({ kind: "undone" });
    expect(actions(node, true)).toEqual([]);
  });

  it("goes by the tag when the token was used with other parameters", async () => {
    for (const how of ["finish", "undo"] as const) {
      const node = await readyNode();
      node.fault("CreateNetworkInterface", { kind: "lost-reply" });
      const { intent } = await failedExecute(node, intentOf(createStep(4)));
      // As a newer enid might ask, with the same token.
      const changed: Intent = { ...intent, openedAtMs: intent.openedAtMs + 1 };
      await settled(node, changed, how);
      expect(node.calls().some((call) => call.code === "IdempotentParameterMismatch")).toBe(how === "finish");
      if (how === "undo") expectNothingOfEnid(node);
      else expectComplete(node, 4);
    }
  });

  it("goes by the tag as well when the repeated create is refused for the subnet's sake", async () => {
    for (const how of ["finish", "undo"] as const) {
      const node = await readyNode();
      node.settings({ notFoundAfterCreateMs: 40_000 });
      node.fault("CreateNetworkInterface", { kind: "lost-reply" });
      const { intent } = await failedExecute(node, intentOf(createStep(4)));
      node.fault("CreateNetworkInterface", { kind: "error", code: "InsufficientFreeAddressesInSubnet" });
      await settled(node, intent, how);
      if (how === "undo") expectNothingOfEnid(node);
      else expectComplete(node, 4);
    }
  });

  it("finishes nothing when the interface was deleted meanwhile", async () => {
    const node = await readyNode();
    node.fault("AttachNetworkInterface", { kind: "reset" });
    const { intent } = await failedExecute(node, intentOf(createStep(4)));
    node.simulator.cloud.erase(intent.interfaceId ?? "");
    expect(await settled(node, intent, "finish")).toEqual({ kind: "undone" });
    expectNothingOfEnid(node);
  });

  it("leaves alone what somebody attached to another instance, and lets the intent end", async () => {
    for (const how of ["finish", "undo"] as const) {
      const node = await readyNode();
      node.fault("AttachNetworkInterface", { kind: "reset" });
      const { intent } = await failedExecute(node, intentOf(createStep(4)));
      const interfaceId = intent.interfaceId ?? "";
      foreignCall(node, "AttachNetworkInterface", {
        NetworkInterfaceId: interfaceId,
        InstanceId: OTHER_INSTANCE,
        DeviceIndex: "1",
      });
      const error = (await rejection(settled(node, intent, how))) as EnidError;
      expect(error.code).toBe("ENID_REFUSED");
      expect(error.details).toMatchObject({ class: "gone", effect: "none" });
      expect(node.interface(interfaceId)?.attachment).toMatchObject({ instanceId: OTHER_INSTANCE });
    }
  });

  it("says what is missing when finishing is refused for good, and leaves nothing", async () => {
    const node = await readyNode();
    const intent = intentOf(createStep(4));
    node.simulator.cloud.occupy(POD_SUBNET, 250);
    const error = (await rejection(settled(node, intent, "finish"))) as EnidError;
    expect(error.code).toBe("ENID_SUBNET_EMPTY");
    expect(error.details).toMatchObject({ class: "subnet-exhausted", effect: "none" });
    expect(await settled(node, intent, "undo")).toEqual({ kind: "undone" });
    expectNothingOfEnid(node);
  });

  it("stays open when the delete fails, whatever the delete answers", async () => {
    const node = await readyNode();
    node.fault("DeleteNetworkInterface", { kind: "error", code: "InsufficientFreeAddressesInSubnet" });
    const intent = intentOf(createStep(4));
    const error = (await rejection(settled(node, intent, "undo"))) as EnidError;
    expect(error.details).toMatchObject({ effect: "unknown" });
    expect(await settled(node, intent, "undo")).toEqual({ kind: "undone" });
    expectNothingOfEnid(node);
  });

  it.each([
    ["DescribeNetworkInterfaces", "RequestLimitExceeded", "throttled"],
    ["CreateNetworkInterface", "RequestLimitExceeded", "throttled"],
    ["CreateNetworkInterface", "UnauthorizedOperation", "unauthorized"],
  ])("stays open when %s answers %s: the first try may have left something", async (action, code, failureClass) => {
    const node = await readyNode();
    // No describe shows anything, so that only the token can tell.
    node.fault("CreateNetworkInterface", { kind: "reset" });
    const { intent } = await failedExecute(node, intentOf(createStep(4)));
    node.fault(action, { kind: "error", code }, { times: 3 });
    const error = (await rejection(settled(node, intent, "undo"))) as EnidError;
    expect(error.details).toMatchObject({ class: failureClass, effect: "unknown" });
    node.simulator.cloud.faults.remove();
    expect(await settled(node, intent, "undo")).toEqual({ kind: "undone" });
    expectNothingOfEnid(node);
  });
});
