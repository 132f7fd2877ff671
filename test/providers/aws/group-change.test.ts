import { describe, expect, it } from "vitest";
import { actions, failedExecute, readyNode, settled } from "./driving.ts";
import { createStep, groupsStep, intentOf, NODE_GROUP, type Node, POD_GROUP, PRIMARY, Progress } from "./harness.ts";

async function created(node: Node): Promise<string> {
  const outcome = await node.provider.execute(intentOf(createStep(1)), new Progress().report);
  node.simulator.cloud.log.reset();
  return outcome.kind === "done" ? outcome.interface.id : "";
}

const groups = (node: Node, id: string) => node.interface(id)?.securityGroups;

describe("setting the security groups of an interface", () => {
  it("replaces them all in one call, and says so in the answer", async () => {
    const node = await readyNode();
    const id = await created(node);
    const outcome = await node.provider.execute(intentOf(groupsStep(id, [NODE_GROUP])), new Progress().report);
    expect(outcome).toMatchObject({ kind: "done", added: [], interface: { id, securityGroups: [NODE_GROUP] } });
    expect(groups(node, id)).toEqual([NODE_GROUP]);
    expect(actions(node)).toEqual(["ModifyNetworkInterfaceAttribute"]);
    await node.provider.execute(intentOf(groupsStep(id, [NODE_GROUP, POD_GROUP])), new Progress().report);
    expect([...(groups(node, id) ?? [])].sort()).toEqual([NODE_GROUP, POD_GROUP]);
  });

  it.each(["lost-reply", "reset"] as const)("is settled by repeating after a %s", async (kind) => {
    for (const how of ["finish", "undo"] as const) {
      const node = await readyNode();
      const id = await created(node);
      node.fault("ModifyNetworkInterfaceAttribute", { kind });
      const { failure, intent } = await failedExecute(node, intentOf(groupsStep(id, [NODE_GROUP])));
      expect(failure).toMatchObject({ class: "transient", effect: "unknown" });
      expect(await settled(node, intent, how)).toMatchObject({
        kind: "done",
        interface: { securityGroups: [NODE_GROUP] },
      });
      expect(groups(node, id)).toEqual([NODE_GROUP]);
    }
  });

  it("has nothing left to settle when the interface is gone", async () => {
    const node = await readyNode();
    const id = await created(node);
    const intent = intentOf(groupsStep(id, [NODE_GROUP]));
    node.simulator.cloud.erase(id);
    expect(await settled(node, intent, "finish")).toEqual({ kind: "undone" });
    // The process that remembers it learns by the refusal.
    expect(await node.provider.settle(intent, "finish", new Progress().report)).toEqual({ kind: "undone" });
    const { failure } = await failedExecute(node, intent);
    expect(failure).toMatchObject({ class: "gone", effect: "none" });
  });

  it("says that a group does not exist", async () => {
    const node = await readyNode();
    const id = await created(node);
    const { failure } = await failedExecute(node, intentOf(groupsStep(id, ["sg-0fffffffffffffff0"])));
    expect(failure).toMatchObject({ class: "configuration", effect: "none" });
    expect(groups(node, id)).toEqual([POD_GROUP]);
  });

  it.each([
    ["the primary interface", () => PRIMARY, [NODE_GROUP], "was not made by enid"],
    ["an interface without any group left", (id: string) => id, [], "cannot be without security groups"],
  ] as const)("refuses to change %s", async (_, pick, wanted, message) => {
    const node = await readyNode();
    const id = await created(node);
    const { error, failure } = await failedExecute(node, intentOf(groupsStep(pick(id), wanted)));
    expect(error.code).toBe("ENID_REFUSED");
    expect(error.message).toContain(message);
    expect(failure).toMatchObject({ effect: "none" });
    expect(actions(node, true)).toEqual([]);
  });
});
