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

const makeHarness = async (): Promise<ProviderHarness> => {
  const node = await startNode({ model: DUAL_STACK });
  const { cloud } = node.simulator;
  return {
    provider: node.provider,
    restart: node.restart,
    selection: { ...NOTHING_SAID, subnetTags: { "enid.io/pods": "true" }, securityGroups: [POD_GROUP] },
    impossible: { ...NOTHING_SAID, subnetTags: { "enid.io/pods": "nowhere" } },
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
