import type { ErrorEntry } from "./entry.ts";

/** Of the Kubernetes API and the CiliumNode. */
export const kubernetesErrors = {
  ENID_KUBERNETES_CONFIGURATION: {
    message: "the way to the Kubernetes API is not usable: {detail}",
    remedy:
      "Name a readable kubeconfig with one current context in `kubernetes.kubeconfig`, or run enid in a pod with a service account. docs/cilium-node.md has both.",
    exit: 1,
  },
  ENID_KUBERNETES_AWAY: {
    message: "the Kubernetes API did not answer {what}: {detail}",
    remedy:
      "Addresses stay as they are and pods that the agent serves go on; enid tries again by itself. Look whether the API server is reached from this node.",
    exit: 1,
  },
  ENID_KUBERNETES_DENIED: {
    message: "the Kubernetes API denies {what}: {detail}",
    remedy: "Give enid's account the rights of deploy/kubernetes/rbac.yaml (docs/cilium-node.md).",
    exit: 1,
  },
  ENID_KUBERNETES_REFUSED: {
    message: "the Kubernetes API refuses {what}: {detail}",
    remedy:
      "The custom resource may be of another version of Cilium than enid knows (docs/cilium-node.md has the versions); otherwise it is a fault of enid, please report it.",
    exit: 1,
  },
  ENID_KUBERNETES_CONFLICT: {
    message: "somebody else changed {what} meanwhile",
    remedy: "Nothing to do: enid reads it anew and tries again.",
    exit: 1,
  },
  ENID_KUBERNETES_EXISTS: {
    message: "{what} exists already",
    remedy: "Nothing to do: enid takes it as it is.",
    exit: 1,
  },
  ENID_KUBERNETES_NOT_FOUND: {
    message: "{what} does not exist",
    remedy: "enid makes its CiliumNode anew. If Cilium's custom resources are missing, install Cilium first.",
    exit: 1,
  },
  ENID_KUBERNETES_GONE: {
    message: "the Kubernetes API no longer knows the version from which {what} was to be watched",
    remedy: "Nothing to do: enid lists anew.",
    exit: 1,
  },
  ENID_CILIUM_NODE_DIALECT: {
    message: "the CiliumNode {node} speaks {seen}, and the setting cilium-dialect says {configured}",
    remedy:
      "Set `kubernetes.cilium-dialect` to what the agent speaks, or to auto. Nothing was written: addresses in use stay as they are.",
    exit: 1,
  },
  ENID_CILIUM_NODE_OTHER_ENID: {
    message: "another enid serves the CiliumNode {node}: {holder}, since {since}",
    remedy: "Two must not serve one node: stop one of them. This one writes nothing until the other's lease is over.",
    exit: 1,
  },
  ENID_AGENT_ADDRESS_UNKNOWN: {
    message: "Cilium's agent says that pods have {addresses}, which this node does not hold or is giving back",
    remedy:
      "Restart these pods: packets to them may go to another node. If it comes again, compare `status.ipam.used` of the CiliumNode with `enid status`, and report it.",
    exit: 1,
  },
  ENID_HAND_OFF_RESTART: {
    message: "the hand-off of this node is {now}, and the settings say {wanted}",
    remedy: "Restart enid when its pods may come by addresses the other way; docs/cilium-node.md has the steps.",
    exit: 1,
  },
  ENID_HAND_OFF_OTHER: {
    message: "this node hands addresses to Cilium's agent by its CiliumNode; the plugin enid-ipam gets none",
    remedy:
      "Take `ipam.type` out of the CNI configuration (Cilium's agent runs with ipam eni or crd), or set `kubernetes.hand-off` to cni and restart enid.",
    cni: 7,
    exit: 1,
  },
} as const satisfies Record<string, ErrorEntry>;
