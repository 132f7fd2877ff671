/** A model with IPv6, reservations, a second account, managed interfaces and a node with several network cards. */
import { loadModel, type ModelDescription, type SettingsPatch } from "../../src/simulator/index.ts";
import { INSTANT } from "./support.ts";

export const ACCOUNT = "111122223333";
export const OTHER_ACCOUNT = "444455556666";
export const OTHER_KEY = "AKIAOTHERACCOUNT0001";
export const VPC6 = "vpc-00000000000000006";
/** 10.6.0.0/24 and 2001:db8:6:1::/64. */
export const DUAL_SUBNET = "subnet-00000000000000061";
/** 10.6.1.0/24 without IPv6. */
export const PLAIN_SUBNET = "subnet-00000000000000062";
export const OTHER_SUBNET = "subnet-000000000000000a1";
/** c5.large: 3 interfaces of 10 addresses. */
export const DUAL_NODE = "i-00000000000000061";
export const DUAL_PRIMARY = "eni-00000000000000061";
/** p4d.24xlarge with an interface on card 0 and one on card 1. */
export const CARDS_NODE = "i-00000000000000062";
export const OTHER_NODE = "i-000000000000000a1";
export const OTHER_PRIMARY = "eni-000000000000000a1";
export const TRUNK = "eni-00000000000000071";
export const OPERATED = "eni-00000000000000072";
export const EFA = "eni-00000000000000073";

export function fullJson(settings: SettingsPatch = {}) {
  return {
    region: "eu-west-1",
    account: ACCOUNT,
    vpcs: [{ id: VPC6, cidrs: ["10.6.0.0/16"], ipv6Cidrs: ["2001:db8:6::/56"] }],
    subnets: [
      { id: DUAL_SUBNET, vpc: VPC6, cidr: "10.6.0.0/24", ipv6Cidr: "2001:db8:6:1::/64", zone: "eu-west-1a" },
      { id: PLAIN_SUBNET, vpc: VPC6, cidr: "10.6.1.0/24", zone: "eu-west-1a" },
    ],
    securityGroups: [{ id: "sg-00000000000000061", vpc: VPC6, name: "pods" }],
    instances: [
      {
        id: DUAL_NODE,
        type: "c5.large",
        subnet: DUAL_SUBNET,
        primaryInterface: DUAL_PRIMARY,
        primaryAddress: "10.6.0.10",
        tags: { Name: "dual" },
        interfaceTags: { launched: "yes" },
      },
      {
        id: CARDS_NODE,
        type: "p4d.24xlarge",
        subnet: PLAIN_SUBNET,
        interfaceTags: { launched: "yes" },
        interfaces: [
          { deviceIndex: 1, networkCard: 1, tags: { card: "one" } },
          { id: EFA, deviceIndex: 1, networkCard: 2, interfaceType: "efa-only" },
        ],
      },
    ],
    interfaces: [
      {
        id: TRUNK,
        subnet: PLAIN_SUBNET,
        interfaceType: "trunk",
        attachment: { instance: DUAL_NODE, deviceIndex: 2 },
      },
      { id: OPERATED, subnet: PLAIN_SUBNET, operator: "eks.amazonaws.com" },
    ],
    accounts: [
      {
        account: OTHER_ACCOUNT,
        accessKeyIds: [OTHER_KEY],
        vpcs: [{ id: "vpc-000000000000000a1", cidrs: ["10.6.0.0/16"] }],
        subnets: [{ id: OTHER_SUBNET, vpc: "vpc-000000000000000a1", cidr: "10.6.0.0/24", zone: "eu-west-1a" }],
        instances: [{ id: OTHER_NODE, type: "m5.large", subnet: OTHER_SUBNET, primaryInterface: OTHER_PRIMARY }],
      },
    ],
    settings: { ...INSTANT, ...settings },
  };
}

export function fullModel(settings: SettingsPatch = {}): ModelDescription {
  return loadModel(fullJson(settings), "full-model.json");
}
