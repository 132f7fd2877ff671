import { afterEach, expect } from "vitest";
import { EnidError } from "../../../src/errors.ts";
import type { Intent, ReportProgress, StepFailure, StepOutcome } from "../../../src/manager/ports/index.ts";
import {
  INSTANCE,
  NOTHING_SAID,
  type Node,
  type NodeOptions,
  POD_GROUP,
  POD_SUBNET,
  Progress,
  startNode,
} from "./harness.ts";
import { rejection } from "./support.ts";

/** Nodes of the running test; closed after it. */
const nodes: Node[] = [];
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.close();
});

/** A node, closed when the test ends. */
export async function aNode(options: NodeOptions = {}): Promise<Node> {
  const node = await startNode(options);
  nodes.push(node);
  return node;
}

/** A node whose provider is identified and has resolved its subnets; the log of calls starts empty. */
export async function readyNode(options: NodeOptions = {}): Promise<Node> {
  const node = await aNode(options);
  await node.provider.identify();
  await node.provider.resolve({ ...NOTHING_SAID, subnetTags: { "enid.io/pods": "true" } });
  node.simulator.cloud.log.reset();
  return node;
}

/** The names of the calls since the last reset of the log, in order. */
export function actions(node: Node, mutating?: boolean): string[] {
  return node.calls(mutating === undefined ? {} : { mutating }).map((call) => call.action);
}

/** Executes what must fail; `onReport` runs when the provider reports progress. */
export async function failedExecute(node: Node, intent: Intent, onReport: () => void = () => undefined) {
  const progress = new Progress();
  const report: ReportProgress = async (reported) => {
    onReport();
    await progress.report(reported);
  };
  const error = (await rejection(node.provider.execute(intent, report))) as EnidError;
  expect(error).toBeInstanceOf(EnidError);
  return { error, failure: error.details as StepFailure, intent: progress.onto(intent) };
}

/** What a new process makes of the intent. */
export async function settled(node: Node, intent: Intent, how: "finish" | "undo"): Promise<StepOutcome> {
  const provider = await node.restart();
  return provider.settle(intent, how, new Progress().report);
}

/** There is one interface of enid, attached, complete. */
export function expectComplete(node: Node, count: number, deviceIndex = 1): void {
  const made = node.made();
  expect(made).toMatchObject([
    {
      subnetId: POD_SUBNET,
      securityGroups: [POD_GROUP],
      attachment: { instanceId: INSTANCE, deviceIndex, deleteOnTermination: true },
    },
  ]);
  expect(made[0]?.secondaryAddresses).toHaveLength(count);
}

export function expectNothingOfEnid(node: Node): void {
  expect(node.made().filter((one) => one.tags["enid.io/managed"] === "true")).toEqual([]);
}

/** A call of somebody else: not counted, not throttled. */
export function foreignCall(
  node: Node,
  action: string,
  parameters: Parameters<Node["simulator"]["cloud"]["call"]>[1],
): Record<string, unknown> {
  return node.simulator.cloud.call(action, parameters, { caller: "foreign" }) as Record<string, unknown>;
}

/** An interface of somebody else, attached at that index. */
export function foreignInterface(node: Node, instanceId: string, deviceIndex: number): string {
  const made = foreignCall(node, "CreateNetworkInterface", { SubnetId: POD_SUBNET });
  const { networkInterfaceId } = made.networkInterface as { networkInterfaceId: string };
  foreignCall(node, "AttachNetworkInterface", {
    NetworkInterfaceId: networkInterfaceId,
    InstanceId: instanceId,
    DeviceIndex: String(deviceIndex),
  });
  return networkInterfaceId;
}
