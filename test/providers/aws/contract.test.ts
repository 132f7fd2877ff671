import type { ModelDescription } from "../../../src/simulator/index.ts";
import { type ProviderHarness, providerContract, type TrueInterface } from "../../contracts/provider.ts";
import {
  addStep,
  createStep,
  DUAL_STACK,
  INSTANCE,
  NODE_GROUP,
  NODE_SUBNET,
  NOTHING_SAID,
  POD_GROUP,
  POD_SUBNET,
  PRIMARY,
  startNode,
} from "./harness.ts";

const SET_APART = [
  { id: "scr-0a000000000000001", cidr: "10.64.1.192/26", type: "explicit" },
  { id: "scr-0a000000000000002", cidr: "10.64.1.128/27", type: "prefix" },
  { id: "scr-0a000000000000003", cidr: "2001:db8:ab:cd01:8000::/66", type: "prefix" },
] as const;
/** Of another subnet. */
const ELSEWHERE = { id: "scr-0a000000000000004", cidr: "10.64.0.128/25", type: "explicit" } as const;

const MODEL = {
  ...DUAL_STACK,
  subnets: DUAL_STACK.subnets.map((subnet) => {
    const ofSubnet: Readonly<Record<string, ModelDescription["subnets"][number]["reservations"]>> = {
      [POD_SUBNET]: SET_APART,
      [NODE_SUBNET]: [ELSEWHERE],
    };
    return { ...subnet, reservations: ofSubnet[subnet.id] ?? [] };
  }),
};

const makeHarness = async (): Promise<ProviderHarness> => {
  const node = await startNode({ model: MODEL });
  const { cloud } = node.simulator;
  return {
    provider: node.provider,
    restart: node.restart,
    selection: { ...NOTHING_SAID, subnetTags: { "enid.io/pods": "true" }, securityGroups: [POD_GROUP] },
    impossible: { ...NOTHING_SAID, subnetTags: { "enid.io/pods": "nowhere" } },
    reserved: SET_APART.map(({ id, cidr, type: kind }) => ({ id, subnetId: POD_SUBNET, cidr, kind })),
    changes: () => node.calls({ mutating: true }).length,
    truth: (): TrueInterface[] =>
      cloud
        .truth()
        .interfaces.filter((one) => one.attachment === undefined || one.attachment.instanceId === INSTANCE)
        .map((one) => ({
          id: one.id,
          attached: one.attachment !== undefined,
          blocks: [...one.secondaryAddresses.map((address) => `${address}/32`), ...one.prefixes, ...one.ipv6Prefixes],
          securityGroups: one.securityGroups,
        })),
    growth: {
      securityGroups: [POD_GROUP],
      otherGroups: [NODE_GROUP],
      interfaceId: PRIMARY,
      units: {
        prefix: {
          prefixLength: 28,
          add: (count) => addStep(PRIMARY, count, NODE_SUBNET, "prefix"),
          create: (count) => createStep(count, 1, POD_SUBNET, { unit: "prefix" }),
        },
        "ipv6-prefix": {
          prefixLength: 80,
          add: (count) => addStep(PRIMARY, count, NODE_SUBNET, "ipv6-prefix"),
          create: (count) => createStep(count, 1, POD_SUBNET, { ipv6Prefixes: count }),
        },
      },
      add: (count) => addStep(PRIMARY, count),
      create: (count) => createStep(count),
      cut: (step, nth, moment) => {
        const changes = node.provider.calls(step).filter((call) => !call.action.startsWith("Describe"));
        node.fault(changes[nth - 1]?.action ?? "", { kind: moment === "before" ? "reset" : "lost-reply" });
      },
    },
    close: node.close,
  };
};

providerContract("aws over the simulated cloud", makeHarness, { grows: true, units: ["prefix", "ipv6-prefix"] });
