import type { ErrorEntry } from "./entry.ts";

const RETRY = 11;

/** Of addresses that follow their pods. */
export const fixedErrors = {
  ENID_FIXED_NEEDS_FLEET: {
    message: "{pod} keeps its address for life by {rule}, and this node is in no fleet",
    remedy:
      "Name the fleet's servers in `fleet.redis`, or take the pod out of `ipam.fixed`. It gets no other address instead.",
    cni: RETRY,
    exit: 1,
  },
  ENID_FIXED_HELD: {
    message: "the fixed address {address} of {pod} is with node {holder}: {because}",
    remedy:
      "It comes here once that node has let it go, or is known to be gone; the runtime tries again. `enid fleet fixed show NAMESPACE/POD` tells who has it.",
    cni: RETRY,
    exit: 1,
  },
  ENID_FIXED_MOVING: {
    message: "the fixed address of {pod} ({address}) is not here yet; it waits for {waitingFor}",
    remedy:
      "The move goes on with the next ADD, which the runtime sends by itself. `enid explain NAMESPACE/POD` shows how far it is.",
    cni: RETRY,
    exit: 1,
  },
  ENID_FIXED_OUT_OF_REACH: {
    message: "the fixed address {address} of {pod} cannot be on this node: {because}; it can be on {wouldWork}",
    remedy:
      "Let the scheduler keep the pod there (node affinity on the zone), or give the address up: `enid fleet fixed release NAMESPACE/POD`.",
    cni: RETRY,
    exit: 1,
  },
  ENID_FIXED_NO_ROOM: {
    message: "there is no room for the fixed address of {pod} ({address}) in {subnetId}: {because}",
    remedy: "Fewer pods on this node, or pods in other subnets, make room; the runtime tries again.",
    cni: RETRY,
    exit: 1,
  },
  ENID_FIXED_MOVE_FAILED: {
    message: "the fixed address of {pod} ({address}) could not be brought here: {detail}",
    remedy:
      "If something outside of the fleet has it by now, the pod can only get another one: `enid fleet fixed release NAMESPACE/POD`. It never gets another one by itself.",
    cni: RETRY,
    exit: 1,
  },
  ENID_FIXED_NONE_LEFT: {
    message: "{pod} gets no address for life ({rule}): {detail}",
    remedy: "Name more `addresses` in the rule, or give up addresses of pods that are gone (`enid fleet fixed list`).",
    cni: RETRY,
    exit: 1,
  },
  ENID_FIXED_LOST: {
    message: "the fixed address {address} of {pod} is with {holder} by now; the pod that had it here cannot be reached",
    remedy: "Delete the pod on this node: the fleet gave its address away while this node was not heard of.",
    cni: RETRY,
    exit: 1,
  },
  ENID_FIXED_UNRESERVED: {
    message:
      "fixed-parking is `reservation`, and no explicit subnet CIDR reservation covers {missing}: their fixed addresses wait on the nodes, where they take slots",
    remedy: "Make the reservation; enid sees it within some minutes. The commands: `{commands}`.",
    exit: 1,
  },
  ENID_FIXED_RESERVATIONS_UNKNOWN: {
    message:
      "fixed-parking is `reservation`, and whether {ranges} is reserved in {subnets} cannot be read: fixed addresses wait on the nodes, where they take slots ({detail})",
    remedy:
      "Allow ec2:GetSubnetCidrReservations (statement Look of deploy/iam/enid-node.json) if EC2 refuses it; enid tries again by itself.",
    exit: 1,
  },
  ENID_FIXED_UNKNOWN: {
    message: "{pod} has no record of a fixed address in this fleet",
    remedy: "`enid fleet fixed list` shows the pods that have one. Pods are named namespace/name.",
    exit: 1,
  },
  ENID_FIXED_BOUND: {
    message: "{address} is not released: {pod} has it on {holder} ({state})",
    remedy:
      "Delete the pod first: its address is parked then, and can be released. --force takes the record away under the pod, which loses its address at once.",
    exit: 1,
  },
  ENID_FIXED_TAKEN: {
    message: "{pod} cannot have {address}: {because}",
    remedy: "`enid fleet fixed show POD` tells who has it. Release that record first, or choose another address.",
    exit: 1,
  },
} as const satisfies Record<string, ErrorEntry>;
