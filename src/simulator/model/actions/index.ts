/** Every action that the simulated cloud knows, by name. Another name is InvalidAction, as EC2 answers it. */
import type { Action } from "../action.ts";
import { assignIpv6Addresses, unassignIpv6Addresses } from "./assign-ipv6-addresses.ts";
import { assignPrivateIpAddresses, unassignPrivateIpAddresses } from "./assign-private-addresses.ts";
import { attachNetworkInterface, detachNetworkInterface } from "./attachments.ts";
import {
  createSubnetCidrReservation,
  deleteSubnetCidrReservation,
  getSubnetCidrReservations,
} from "./cidr-reservations.ts";
import { createNetworkInterface } from "./create-network-interface.ts";
import { describeInstanceTypes } from "./describe-instance-types.ts";
import { describeInstances } from "./describe-instances.ts";
import { describeSecurityGroups, describeSubnets, describeVpcs } from "./describe-network.ts";
import { describeNetworkInterfaces } from "./describe-network-interfaces.ts";
import { describeRouteTables } from "./describe-route-tables.ts";
import {
  deleteNetworkInterface,
  describeNetworkInterfaceAttribute,
  modifyNetworkInterfaceAttribute,
} from "./interface-attributes.ts";
import { assumeRole, getCallerIdentity } from "./sts.ts";
import { createTags, deleteTags, describeTags } from "./tags.ts";

export const ACTIONS: ReadonlyMap<string, Action> = new Map(
  [
    assignIpv6Addresses,
    assignPrivateIpAddresses,
    assumeRole,
    attachNetworkInterface,
    createNetworkInterface,
    createSubnetCidrReservation,
    createTags,
    deleteNetworkInterface,
    deleteSubnetCidrReservation,
    deleteTags,
    describeInstanceTypes,
    describeInstances,
    describeNetworkInterfaceAttribute,
    describeNetworkInterfaces,
    describeRouteTables,
    describeSecurityGroups,
    describeSubnets,
    describeTags,
    describeVpcs,
    detachNetworkInterface,
    getCallerIdentity,
    getSubnetCidrReservations,
    modifyNetworkInterfaceAttribute,
    unassignIpv6Addresses,
    unassignPrivateIpAddresses,
  ].map((action) => [action.name, action]),
);
