import {
  type _InstanceType,
  AssignIpv6AddressesCommand,
  AssignPrivateIpAddressesCommand,
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  DeleteNetworkInterfaceCommand,
  DescribeInstanceTypesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DetachNetworkInterfaceCommand,
  type EC2Client,
  GetSubnetCidrReservationsCommand,
  ModifyNetworkInterfaceAttributeCommand,
  UnassignIpv6AddressesCommand,
  UnassignPrivateIpAddressesCommand,
} from "@aws-sdk/client-ec2";
import { EnidError } from "../../errors.ts";
import type { Call } from "./ec2-transport.ts";
import type { Ec2Sender } from "./options.ts";

/** An interface that calls are tried on. */
export interface Target {
  readonly id: string;
  /** Empty when EC2 did not tell. */
  readonly attachmentId: string;
  readonly primaryAddress: string;
  readonly securityGroups: readonly string[];
  /** It has the tag of the cluster that the policy asks for. */
  readonly tagged: boolean;
}

/** What the calls are tried with. */
export interface ProbeFacts {
  readonly instanceId: string;
  readonly instanceType: string;
  readonly vpcId: string;
  readonly subnetId: string;
  readonly securityGroups: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  /** What enid attaches, changes and removes: an interface with the cluster's tag, else the primary one. */
  readonly changed: Target;
  /** What addresses are put on: the same, and the primary interface where it carries pods. */
  readonly addressed: readonly Target[];
}

/** One call that changes nothing. */
export interface Probe {
  readonly call: Call;
  /** What it is tried on. */
  readonly on: string;
  /**
   * `dry-run`: DryRun is set. `impossible`: EC2 has no dry run of the action; the call asks for what cannot be, so that
   * EC2 refuses it for that when it does not refuse it for the permission, which it looks at first.
   */
  readonly how: "dry-run" | "impossible";
  readonly target?: Target;
  readonly send: (options: { abortSignal: AbortSignal }) => Promise<Answered>;
}

interface Answered {
  readonly $metadata: { readonly requestId?: string | undefined; readonly httpStatusCode?: number | undefined };
}

/** Rightfully needed but impossible to try, and why. */
export interface Untried {
  readonly on: string;
  readonly why: string;
}

const DRY = { DryRun: true } as const;
/** Describes need some page size, or they would ask for the whole account. */
const PAGE_SIZE = 5;
/** Of the range for documentation (RFC 3849), which no subnet has. */
const NOBODYS_PREFIX = "2001:db8::/80";

/** The calls by which an action is tried. At least one for each action that is a call of its own. */
export function probesOf(client: Ec2Sender, action: string, facts: ProbeFacts): readonly (Probe | Untried)[] {
  const { changed, addressed, instanceId, vpcId } = facts;
  const inVpc = { ...DRY, Filters: [{ Name: "vpc-id", Values: [vpcId] }], MaxResults: PAGE_SIZE };
  const attachment = changed.attachmentId;
  const noAttachment = { on: changed.id, why: `EC2 did not tell the attachment of ${changed.id}` };
  const onChanged = `${changed.id} and ${instanceId}`;
  switch (action) {
    case "DescribeSubnets":
      return [probe(client, action, vpcId, new DescribeSubnetsCommand(inVpc))];
    case "DescribeNetworkInterfaces":
      return [probe(client, action, vpcId, new DescribeNetworkInterfacesCommand(inVpc))];
    case "DescribeSecurityGroups":
      return [probe(client, action, vpcId, new DescribeSecurityGroupsCommand(inVpc))];
    case "DescribeInstanceTypes": {
      const InstanceTypes = [facts.instanceType as _InstanceType];
      return [probe(client, action, facts.instanceType, new DescribeInstanceTypesCommand({ ...DRY, InstanceTypes }))];
    }
    case "GetSubnetCidrReservations": {
      const input = { ...DRY, SubnetId: facts.subnetId };
      return [probe(client, action, facts.subnetId, new GetSubnetCidrReservationsCommand(input))];
    }
    case "CreateNetworkInterface":
      return [creation(client, facts, true)];
    case "AttachNetworkInterface": {
      const input = { ...DRY, NetworkInterfaceId: changed.id, InstanceId: instanceId, DeviceIndex: 1 };
      return [probe(client, action, onChanged, new AttachNetworkInterfaceCommand(input), changed)];
    }
    case "ModifyNetworkInterfaceAttribute": {
      const NetworkInterfaceId = changed.id;
      const Attachment = { AttachmentId: attachment, DeleteOnTermination: true };
      const input = { ...DRY, NetworkInterfaceId, Groups: [...changed.securityGroups] };
      return [
        attachment === ""
          ? noAttachment
          : probe(
              client,
              action,
              onChanged,
              new ModifyNetworkInterfaceAttributeCommand({ ...DRY, NetworkInterfaceId, Attachment }),
              changed,
            ),
        probe(client, action, changed.id, new ModifyNetworkInterfaceAttributeCommand(input), changed),
      ];
    }
    case "DetachNetworkInterface": {
      if (attachment === "") return [noAttachment];
      const command = new DetachNetworkInterfaceCommand({ ...DRY, AttachmentId: attachment });
      return [probe(client, action, onChanged, command, changed)];
    }
    case "DeleteNetworkInterface": {
      const command = new DeleteNetworkInterfaceCommand({ ...DRY, NetworkInterfaceId: changed.id });
      return [probe(client, action, changed.id, command, changed)];
    }
    default:
      return addressed.map((target) => addressing(client, action, target));
  }
}

/** The creation of an interface; with its tags it asks for ec2:CreateTags too. */
export function creation(client: Ec2Sender, facts: ProbeFacts, tagged: boolean): Probe {
  const Tags = Object.entries(facts.tags).map(([Key, Value]) => ({ Key, Value }));
  const command = new CreateNetworkInterfaceCommand({
    ...DRY,
    SubnetId: facts.subnetId,
    Groups: [...facts.securityGroups],
    ...(tagged ? { TagSpecifications: [{ ResourceType: "network-interface", Tags }] } : {}),
  });
  return probe(client, "CreateNetworkInterface", `${facts.subnetId} with ${facts.securityGroups.join(", ")}`, command);
}

/** None of these knows DryRun. What each asks for is on the interface already, or can never be. */
function addressing(client: Ec2Sender, action: string, target: Target): Probe {
  const NetworkInterfaceId = target.id;
  const impossible = (send: Probe["send"]): Probe => {
    return { call: { action, mutation: true }, on: target.id, how: "impossible", target, send };
  };
  // The primary address can neither be added to its own interface nor be taken from it.
  const PrivateIpAddresses = [target.primaryAddress];
  const Ipv6Prefixes = [NOBODYS_PREFIX];
  switch (action) {
    case "AssignPrivateIpAddresses": {
      const command = new AssignPrivateIpAddressesCommand({ NetworkInterfaceId, PrivateIpAddresses });
      return impossible((options) => client.send(command, options));
    }
    case "UnassignPrivateIpAddresses": {
      const command = new UnassignPrivateIpAddressesCommand({ NetworkInterfaceId, PrivateIpAddresses });
      return impossible((options) => client.send(command, options));
    }
    case "AssignIpv6Addresses": {
      const command = new AssignIpv6AddressesCommand({ NetworkInterfaceId, Ipv6Prefixes });
      return impossible((options) => client.send(command, options));
    }
    case "UnassignIpv6Addresses": {
      const command = new UnassignIpv6AddressesCommand({ NetworkInterfaceId, Ipv6Prefixes });
      return impossible((options) => client.send(command, options));
    }
    default:
      throw new EnidError("ENID_INTERNAL", { detail: `no call is known that tries ${action}` });
  }
}

/** Any command of the SDK that knows dry runs. */
interface DryCommand {
  readonly input: { readonly DryRun?: boolean | undefined };
}

function probe(client: Ec2Sender, action: string, on: string, command: DryCommand, target?: Target): Probe {
  return {
    call: { action, mutation: !/^(Describe|Get)/.test(action) },
    on,
    how: "dry-run",
    ...(target === undefined ? {} : { target }),
    send: (options) => {
      // The last safeguard: whatever is built above, nothing but a dry run leaves.
      if (command.input.DryRun !== true) {
        throw new EnidError("ENID_REFUSED", { detail: `${action} is not a dry run` });
      }
      return client.send(command as unknown as Parameters<EC2Client["send"]>[0], options) as Promise<Answered>;
    },
  };
}
