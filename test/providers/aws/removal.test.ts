import { describe, expect, it } from "vitest";
import type { EnidError } from "../../../src/errors.ts";
import { DEFAULT_LIMITS } from "../../../src/providers/aws/index.ts";
import {
  actions,
  expectNothingOfEnid,
  failedExecute,
  foreignCall,
  foreignInterface,
  readyNode,
  settled,
} from "./driving.ts";
import {
  addStep,
  createStep,
  INSTANCE,
  intentOf,
  NOTHING_SAID,
  type Node,
  OTHER_INSTANCE,
  PRIMARY,
  Progress,
  removeStep,
} from "./harness.ts";
import { rejection } from "./support.ts";

async function created(node: Node, count = 2): Promise<string> {
  const outcome = await node.provider.execute(intentOf(createStep(count)), new Progress().report);
  node.simulator.cloud.log.reset();
  return outcome.kind === "done" ? outcome.interface.id : "";
}

describe("removing an interface", () => {
  it("detaches, waits, and deletes: two mutating calls, never by force", async () => {
    const node = await readyNode();
    const id = await created(node, 3);
    const outcome = await node.provider.execute(intentOf(removeStep(id)), new Progress().report);
    expect(outcome).toEqual({ kind: "gone", cidrs: [], interfaceId: id });
    expect(actions(node, true)).toEqual(["DetachNetworkInterface", "DeleteNetworkInterface"]);
    expect(node.calls().every((call) => call.parameters.Force === undefined)).toBe(true);
    expectNothingOfEnid(node);
  });

  it("waits on when a describe shows the interface as free too early", async () => {
    const node = await readyNode();
    const id = await created(node);
    node.fault("DeleteNetworkInterface", {
      kind: "error",
      code: "InvalidParameterValue",
      message: `Network interface '${id}' is currently in use.`,
    });
    await node.provider.execute(intentOf(removeStep(id)), new Progress().report);
    expect(actions(node, true)).toEqual(["DetachNetworkInterface", "DeleteNetworkInterface", "DeleteNetworkInterface"]);
    expectNothingOfEnid(node);
  });

  it("sends one detach only while describes lag it", async () => {
    const node = await readyNode();
    const id = await created(node);
    node.settings({ describeLagMs: 20_000 });
    await node.provider.execute(intentOf(removeStep(id)), new Progress().report);
    expect(actions(node, true)).toEqual(["DetachNetworkInterface", "DeleteNetworkInterface"]);
  });

  it("waits for an attachment that is on its way to another state", async () => {
    const node = await readyNode();
    const id = await created(node);
    node.fault("DetachNetworkInterface", { kind: "error", code: "IncorrectState" });
    await node.provider.execute(intentOf(removeStep(id)), new Progress().report);
    expect(actions(node, true)).toEqual(["DetachNetworkInterface", "DetachNetworkInterface", "DeleteNetworkInterface"]);
  });

  it("gives a detach that does not end back to be settled later", async () => {
    const node = await readyNode({ limits: { detachLimitMs: 300 } });
    const id = await created(node);
    node.settings({ detachStuck: true });
    const { failure, error, intent } = await failedExecute(node, intentOf(removeStep(id)));
    expect(failure).toMatchObject({ class: "transient", effect: "unknown" });
    expect(error.message).toContain(`${id} is still attached or detaching after 300 ms`);
    const before = node.calls().length;
    const settling = settled(node, intent, "undo");
    await expect.poll(() => actions(node).slice(before)).toContain("DescribeNetworkInterfaces");
    node.settings({ detachStuck: false });
    expect(await settling).toMatchObject({ kind: "gone", interfaceId: id });
    expectNothingOfEnid(node);
    // What is detaching already is not detached again.
    expect(actions(node, true)).toEqual(["DetachNetworkInterface", "DeleteNetworkInterface"]);
  });

  it("leaves the calls of other interfaces alone while a detach does not end", async () => {
    // Of the limits of production but one: one mutating call at once, so that a blocked one would be seen.
    const node = await readyNode({ limits: { mutationsAtOnce: 1, detachLimitMs: 1_000 } });
    const id = await created(node);
    node.settings({ detachStuck: true });
    const removing = failedExecute(node, intentOf(removeStep(id)));
    await expect.poll(() => actions(node, true)).toContain("DetachNetworkInterface");
    for (let step = 0; step < 3; step++) {
      const outcome = await node.provider.execute(intentOf(addStep(PRIMARY, 1)), new Progress().report);
      expect(outcome.kind).toBe("done");
    }
    // All of them were done before the removal gave up.
    expect(node.interface(PRIMARY)?.secondaryAddresses).toHaveLength(3);
    expect(node.telemetry.calls.at(-1)?.action).toBe("AssignPrivateIpAddresses");
    expect((await removing).failure).toMatchObject({ class: "transient", effect: "unknown" });
  });

  it("does not wait for minutes on a detach in production", () => {
    expect(DEFAULT_LIMITS.detachLimitMs).toBeLessThanOrEqual(20_000);
    expect(DEFAULT_LIMITS.detachLimitMs).toBeGreaterThanOrEqual(3 * 3_000);
  });

  it("has no effect when the detach is throttled, an unknown one when the delete is", async () => {
    const node = await readyNode();
    const id = await created(node);
    node.fault("DetachNetworkInterface", { kind: "error", code: "RequestLimitExceeded" });
    const first = await failedExecute(node, intentOf(removeStep(id)));
    expect(first.failure).toMatchObject({ class: "throttled", effect: "none" });
    expect(node.interface(id)?.attachment?.status).not.toBe("detaching");
    node.fault("DeleteNetworkInterface", { kind: "error", code: "RequestLimitExceeded" });
    const second = await failedExecute(node, intentOf(removeStep(id)));
    expect(second.failure).toMatchObject({ class: "throttled", effect: "unknown" });
    expect(await settled(node, second.intent, "finish")).toMatchObject({ kind: "gone" });
    expectNothingOfEnid(node);
  });

  it("is done without a mutating call when the interface is gone", async () => {
    const node = await readyNode();
    const id = await created(node);
    node.simulator.cloud.erase(id);
    expect(await node.provider.execute(intentOf(removeStep(id)), new Progress().report)).toMatchObject({
      kind: "gone",
    });
    expect(actions(node, true)).toEqual([]);
  });

  it.each([
    ["the primary interface", (_: Node) => PRIMARY, "is the primary interface"],
    ["one of somebody else", (node: Node) => foreignInterface(node, INSTANCE, 1), "was not made by enid"],
    ["one on another instance", (node: Node) => foreignInterface(node, OTHER_INSTANCE, 1), "not to this instance"],
  ])("refuses to touch %s", async (_, pick, message) => {
    const node = await readyNode();
    const id = pick(node);
    for (const attempt of ["execute", "settle"] as const) {
      const provider = await node.restart();
      const progress = new Progress();
      const intent = intentOf(removeStep(id));
      const work =
        attempt === "execute"
          ? provider.execute(intent, progress.report)
          : provider.settle(intent, "finish", progress.report);
      const error = (await rejection(work)) as EnidError;
      expect(error.code).toBe("ENID_REFUSED");
      expect(error.message).toContain(message);
      expect(error.details).toMatchObject({ effect: "none" });
    }
    expect(actions(node, true)).toEqual([]);
  });

  it("refuses to touch what the settings exclude by tags", async () => {
    const node = await readyNode();
    const id = await created(node);
    foreignCall(node, "CreateTags", { ResourceId: [id], Tag: [{ Key: "keep", Value: "out" }] });
    await node.provider.resolve({ ...NOTHING_SAID, excludeInterfaceTags: { keep: "out" } });
    await node.provider.observe("cloud");
    node.simulator.cloud.log.reset();
    const { error } = await failedExecute(node, intentOf(removeStep(id)));
    expect(error.message).toContain("excluded by exclude-interface-tags");
    expect(actions(node, true)).toEqual([]);
  });
});
