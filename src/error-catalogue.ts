/**
 * The one catalogue of enid's errors. A code is stable once released; docs/errors.md is rendered from here and a test
 * keeps the two equal. Each entry says what happened (with values) and what to do.
 */

export interface ErrorEntry {
  /** What happened. `{name}` is replaced by the value of that name. */
  readonly message: string;
  /** What the operator should do. Same placeholders. */
  readonly remedy: string;
  /** The code of a CNI answer that carries this error: 7 bad configuration, 11 try again later, 50/51 STATUS, 100+ own. */
  readonly cni?: number;
  /** Exit code of a command that ends with it: 1 failed, 2 wrong usage, 3 invalid configuration, 4 no daemon. */
  readonly exit: number;
}

const RETRY = 11;
const BAD_CONFIGURATION = 7;

export const catalogue = {
  // Command line
  ENID_USAGE: { message: "{detail}", remedy: "Run `enid {command} --help`.", exit: 2 },
  ENID_DAEMON_UNREACHABLE: {
    message: "no enid daemon answers on {socket}: {detail}",
    remedy: "Start it with `enid run`, or name its socket: --socket; for the plugin, the file enid-ipam.socket.",
    cni: RETRY,
    exit: 4,
  },
  ENID_LISTEN_FAILED: {
    message: "cannot listen on {address}: {detail}",
    remedy: "Free the address, or choose another with --listen.",
    exit: 1,
  },
  ENID_INTERNAL: {
    message: "internal error: {detail}",
    remedy: "Report it with the log lines around it.",
    cni: 100,
    exit: 1,
  },

  // Configuration
  ENID_CONFIG_UNREADABLE: {
    message: "configuration {file} cannot be read: {detail}",
    remedy: "Check that the file exists and that enid may read it.",
    exit: 3,
  },
  ENID_CONFIG_TOO_LARGE: {
    message: "configuration {file} has {bytes} bytes; at most {limitBytes} are read",
    remedy: "Check that this is the right file: an ENI configuration is a few kilobytes.",
    exit: 3,
  },
  ENID_CONFIG_SYNTAX: {
    message: "configuration {place}: {detail}",
    remedy: "Correct the JSON at that place; nothing of the file was applied.",
    exit: 3,
  },
  ENID_CONFIG_INVALID: {
    message: "configuration {problems}",
    remedy:
      "Correct each place named; nothing of the file was applied. `enid validate FILE` checks a file without applying it.",
    exit: 3,
  },
  ENID_CONFIG_MISSING: {
    message: "no configuration: {file} is missing and the state holds no earlier valid one",
    remedy: "Write the file (see eni-config/) or correct --read-eni-configuration.",
    exit: 3,
  },
  ENID_SETTING_UNKNOWN: {
    message: "no setting is called {name}{suggestion}",
    remedy: "`enid status --settings` lists the settings with their values.",
    exit: 2,
  },
  ENID_SETTING_INVALID: {
    message: "setting {name} cannot be {value}: {allowed}",
    remedy: "Nothing was changed; give an allowed value.",
    exit: 2,
  },

  // State
  ENID_STATE_NEWER: {
    message: "the state {file} has schema version {found}; this enid knows versions up to {known}",
    remedy: "Run the enid that wrote it, or a newer one. Nothing was changed.",
    exit: 1,
  },
  ENID_STATE_CORRUPT: {
    message: "the state {file} cannot be used: {detail}",
    remedy:
      "Move {file} and its -wal and -shm files away to start anew from what EC2 reports; running pods must be restarted then, because their leases are unknown.",
    exit: 1,
  },
  ENID_STATE_LOCKED: {
    message: "the state {file} is in use by another enid (process {pid})",
    remedy: "Stop the other daemon; one node has one owner of its addresses.",
    exit: 1,
  },
  ENID_STATE_UNAVAILABLE: {
    message: "the state {file} cannot be opened: {detail}",
    remedy:
      "enid needs a writable folder on a local disk for its state: check the mount, the permissions and the free space.",
    exit: 1,
  },
  ENID_STATE_MIGRATION_FAILED: {
    message: "the state {file} could not be brought from schema version {found} to {known}: {detail}",
    remedy:
      "Nothing was changed: the enid that ran before still works with it. Free space if the disk is full; otherwise report it.",
    exit: 1,
  },
  ENID_STATE_WRITE_FAILED: {
    message: "the change could not be made durable: {detail}",
    remedy: "Free space on the disk that holds the state folder. DEL is still served.",
    cni: RETRY,
    exit: 1,
  },

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
  ENID_EC2_UNAUTHORIZED: {
    message: "EC2 refuses {action}: {detail}",
    remedy: "Grant the node's role the permissions of docs/ec2.md; enid probes again slowly.",
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

  // CNI protocol
  ENID_CNI_VERSION: {
    message: "CNI version {version} is not supported; supported are {supported}",
    remedy: "Set cniVersion of the network configuration to one of {supported}.",
    cni: 1,
    exit: 1,
  },
  ENID_CNI_ENVIRONMENT: {
    message: "{variable} {detail}",
    remedy: "The caller of the plugin must set it as the CNI specification says.",
    cni: 4,
    exit: 1,
  },
  ENID_CNI_DECODE: {
    message: "the network configuration on standard input cannot be decoded: {detail}",
    remedy: "The caller must pass the JSON of the network configuration.",
    cni: 6,
    exit: 1,
  },
  ENID_CNI_CONFIG: {
    message: "the network configuration on standard input is not usable: {detail}",
    remedy: "Correct the file in /etc/cni/net.d.",
    cni: BAD_CONFIGURATION,
    exit: 1,
  },
  ENID_CNI_VERB: {
    message: "CNI_COMMAND {verb} is not supported",
    remedy: "Supported are ADD, DEL, CHECK, STATUS and VERSION.",
    cni: 4,
    exit: 1,
  },

  ENID_CNI_REQUEST: {
    message: "the request to POST /cni is not usable: {detail}",
    remedy: "Use the plugin enid-ipam of the daemon's version.",
    cni: 6,
    exit: 1,
  },
  ENID_CNI_CALLER_GONE: {
    message: "the caller of {verb} hung up before the answer",
    remedy: "The runtime tries again by itself; a limit shorter than add-wait-seconds makes it hang up early.",
    cni: RETRY,
    exit: 1,
  },

  // CNI plugin executable (native/): it prints these itself when the daemon gave no answer
  ENID_DAEMON_LATE: {
    message: "the enid daemon on {socket} did not answer {verb} within {waitedMs} ms",
    remedy: "The runtime tries again by itself. `enid status` shows whether the daemon is busy or stuck.",
    cni: RETRY,
    exit: 1,
  },
  ENID_DAEMON_STRANGE: {
    message: "what answers on {socket} is not enid: {detail}",
    remedy: "Name enid's socket in the file enid-ipam.socket; use plugin and daemon of one version.",
    cni: 5,
    exit: 1,
  },
  ENID_PLUGIN_INPUT: {
    message: "standard input {detail}",
    remedy: "The caller must pass at most 1048576 bytes of JSON and close its end of the pipe.",
    cni: 5,
    exit: 1,
  },
  ENID_PLUGIN_SOCKET: {
    message: "the socket path of {source} is not usable: {detail}",
    remedy: "It must be the absolute path of enid's socket, at most 107 bytes, on one line.",
    cni: BAD_CONFIGURATION,
    exit: 1,
  },
  ENID_DELETION_QUEUE: {
    message: "the queue of deletions {folder} cannot be used: {detail}",
    remedy: "Let root, and nobody else, write to that folder. A DEL that was not queued is tried again by the runtime.",
    cni: RETRY,
    exit: 1,
  },

  // The daemon's socket
  ENID_SOCKET_IN_USE: {
    message: "another process answers on the socket {socket}",
    remedy: "Stop the other daemon, or give this one another --socket; one node has one owner of its addresses.",
    exit: 1,
  },
  ENID_SOCKET_PATH: {
    message: "the socket {socket} cannot be used: {detail}",
    remedy: "Give an absolute path of at most 107 bytes in a folder that only enid's user may enter.",
    exit: 1,
  },

  // Simulator
  ENID_SIMULATOR_MODEL: {
    message: "the model {file} is not usable: {detail}",
    remedy: "See docs/simulator.md for the form of a --vpc file.",
    exit: 2,
  },
} as const satisfies Record<string, ErrorEntry>;
