import type { ErrorEntry } from "./entry.ts";

const RETRY = 11;

/** The part of the catalogue that tells of the node, EC2 and its addresses. */
export const cloudErrors = {
  // Node identity and cloud
  ENID_METADATA_UNREACHABLE: {
    message: "instance metadata at {endpoint} does not answer: {detail}",
    remedy:
      "enid runs in the host's network namespace; in a container the instance needs HttpPutResponseHopLimit 2 or more.",
    cni: RETRY,
    exit: 1,
  },
  ENID_METADATA_INCOMPLETE: {
    message: "instance metadata lacks {path}",
    remedy: "Wait for the instance to finish starting; enid tries again by itself.",
    cni: RETRY,
    exit: 1,
  },
  ENID_INSTANCE_TYPE_UNKNOWN: {
    message: "the limits of instance type {instanceType} are unknown: {detail}",
    remedy: "Allow ec2:DescribeInstanceTypes, or update enid: its table of instance types is older than this type.",
    cni: RETRY,
    exit: 1,
  },
  ENID_SUBNET_NO_MATCH: {
    message: "no subnet matches {selection} in {vpcId} and {availabilityZone}; seen: {seen}",
    remedy:
      "Tag a subnet of this VPC and zone, or correct eni.subnet-ids / eni.subnet-tags. enid never uses another subnet.",
    cni: RETRY,
    exit: 1,
  },
  ENID_SECURITY_GROUP_NO_MATCH: {
    message: "no security group matches {selection} in {vpcId}; seen: {seen}",
    remedy: "Correct eni.security-groups / eni.security-group-tags. enid never uses another security group.",
    cni: RETRY,
    exit: 1,
  },
  ENID_SUBNET_EMPTY: {
    message: "subnet {subnetId} has {freeAddresses} free addresses",
    remedy: "Add a subnet with the same tags, or free addresses in this one; enid asks again after {retryAt}.",
    cni: RETRY,
    exit: 1,
  },
  ENID_ADDRESS_LOST: {
    message:
      "EC2 says twice that {cidr} is not on {interfaceId}, yet a pod has or just had it: the lease stays, nobody else gets the address",
    remedy:
      "Delete the pods that `enid status` names as lost, so that they get other addresses, and find out who took this one from the interface.",
    cni: 104,
    exit: 1,
  },
  ENID_SUBNET_NO_PREFIX: {
    message: "subnet {subnetId} cannot give {what} now, though it has free addresses",
    remedy:
      "Reserve a range of the subnet for prefixes (a CIDR reservation of type prefix). With eni.prefix-delegation=preferred single addresses are taken meanwhile; enid asks again after {retryAt}.",
    cni: RETRY,
    exit: 1,
  },
  ENID_SUBNETS_EMPTY: {
    message: "no allowed subnet can give an address now: {subnets}",
    remedy: "Add a subnet with the same tags, or free addresses in these; enid asks again after {retryAt}.",
    cni: RETRY,
    exit: 1,
  },
  ENID_SUBNET_FRAGMENTED: {
    message: "prefixes are required, and no allowed subnet has a contiguous /28 left ({subnets})",
    remedy:
      "Reserve a range of the subnet for prefixes (a CIDR reservation of type prefix), or set eni.prefix-delegation=preferred so that single addresses are taken meanwhile; enid asks again after {retryAt}.",
    cni: RETRY,
    exit: 1,
  },
  ENID_PREFIXES_UNSUPPORTED: {
    message: "prefixes are required, and {instanceType} takes none: only Nitro and bare metal instances do",
    remedy: "Set eni.prefix-delegation=preferred, or take an instance type on Nitro.",
    cni: RETRY,
    exit: 1,
  },
  ENID_NO_IPV6_SUBNET: {
    message:
      "pods are to have IPv6 addresses, and no subnet of an interface that carries pods has an IPv6 CIDR ({subnets})",
    remedy: "Associate an IPv6 CIDR with the subnet, allow a subnet that has one, or set ipam.ip-families=ipv4.",
    cni: RETRY,
    exit: 1,
  },
  ENID_INSTANCE_FULL: {
    message:
      "all {capacity} pod addresses that {instanceType} can hold are used ({used}) or promised to pods that asked earlier",
    remedy: "Lower max-pods of the node to {capacity}, or use a larger instance type.",
    cni: RETRY,
    exit: 1,
  },
  ENID_MAX_ALLOCATE: {
    message:
      "max-allocate {maxAllocate} is reached: its addresses are used ({used}) or promised to pods that asked earlier",
    remedy: "Raise max-allocate, or lower max-pods of the node.",
    cni: RETRY,
    exit: 1,
  },
  ENID_RANGES_FULL: {
    message:
      "the node's own ranges {ranges} have {free} free addresses: {leased} leased, {cooling} cooling, {reserved} for no pod, {draining} in use in ranges that drain",
    remedy:
      "Add a range to ipam.podCIDRs (in the file, or `enid set podCIDRs=...`): pods get addresses of it at once. Or lower max-pods of the node.",
    cni: RETRY,
    exit: 1,
  },
  ENID_ADDRESS_CONFLICT: {
    message: "pods have addresses that the node itself has: {detail}",
    remedy:
      "The leases stay, nobody else gets these addresses. Take them from the devices, or delete the pods; ipam.excluded-addresses keeps addresses for the node.",
    exit: 1,
  },
  ENID_NO_USABLE_INTERFACE: {
    message: "no interface may carry pods: {detail}",
    remedy: "Check eni.first-interface-index against the interfaces the instance type has.",
    cni: RETRY,
    exit: 1,
  },
  ENID_EC2_THROTTLED: {
    message: "EC2 throttles {action} for this account ({code}); next try after {retryAt}",
    remedy:
      "The bucket is shared by the whole account and Region; see docs/ec2.md. Pods are served from the buffer meanwhile.",
    cni: RETRY,
    exit: 1,
  },
  ENID_EC2_BUDGET: {
    message:
      "{action} was not sent: no token within {limitMs} ms (waited {waitedMs} ms, {ahead} calls ahead, {ratePerSecond} a second allowed, throttled {throttledTimes} times by EC2); next try after {retryAt}",
    remedy:
      "The node slows down by itself where EC2 throttles the account; see docs/ec2.md. Pods are served from the buffer meanwhile.",
    cni: RETRY,
    exit: 1,
  },
  ENID_EC2_UNAUTHORIZED: {
    message: "EC2 refuses {action}: {detail}",
    remedy:
      "Grant the node's role the permissions of docs/permissions.md (`enid check permissions` names the missing ones); enid probes again slowly.",
    cni: RETRY,
    exit: 1,
  },
  ENID_EC2_FAILED: {
    message: "EC2 {action} failed with {code}: {detail}",
    remedy: "enid tries again by itself; the request id in the log names the call to AWS support.",
    cni: RETRY,
    exit: 1,
  },
  ENID_EC2_UNREACHABLE: {
    message: "EC2 does not answer {action}: {detail}",
    remedy: "Check the route and security group to the EC2 endpoint; enid tries again by itself.",
    cni: RETRY,
    exit: 1,
  },

  // Addresses for pods
  ENID_STARTING: {
    message: "the daemon is starting: {waitingFor}",
    remedy: "The runtime tries again by itself; `enid status` shows the progress.",
    cni: RETRY,
    exit: 1,
  },
  ENID_GROWING: {
    message: "the node waits for {waitingFor}",
    remedy: "The runtime tries again by itself; `enid status` shows the progress.",
    cni: RETRY,
    exit: 1,
  },
  ENID_STOPPING: {
    message: "the daemon is stopping and takes no new pods",
    remedy: "The runtime tries again by itself once the daemon runs.",
    cni: RETRY,
    exit: 1,
  },
  ENID_NO_ADDRESS: {
    message: "no address for {pod} within {waitedMs} ms: {reason}",
    remedy: "`enid explain {pod}` shows what the node waits for.",
    cni: RETRY,
    exit: 1,
  },
  ENID_TOO_MANY_WAITING: {
    message: "{waiting} pods wait for an address already",
    remedy: "The runtime tries again by itself.",
    cni: RETRY,
    exit: 1,
  },
  ENID_LEASE_MISSING: {
    message: "container {containerId} has no address for {interfaceName} in network {network}",
    remedy: "The sandbox was made without enid or was deleted; the runtime makes it anew.",
    cni: 3,
    exit: 1,
  },
  ENID_LEASE_DIFFERS: {
    message: "container {containerId} holds {leased}; the previous result says {expected}",
    remedy: "The sandbox does not match its lease; delete the pod.",
    cni: 102,
    exit: 1,
  },
  ENID_NOT_READY: {
    message: "the pool has {available} of the {wanted} addresses that min-allocate asks for: {reason}",
    remedy: "`enid status` shows what the node waits for.",
    cni: 50,
    exit: 1,
  },
  ENID_REFUSED: {
    message: "refused to act: {detail}",
    remedy: "A promise of enid would be broken; report it with the output of `enid status --json`.",
    cni: 101,
    exit: 1,
  },
  ENID_NOTHING_KNOWN: {
    message: "nothing is known of {subject}",
    remedy: "Give NAMESPACE/POD, a pod name or an address of this node; `enid status --leases` lists them.",
    exit: 1,
  },
} as const satisfies Record<string, ErrorEntry>;
