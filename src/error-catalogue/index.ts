import { bootstrapErrors } from "./bootstrap.ts";
import { cloudErrors } from "./cloud.ts";
import type { ErrorEntry } from "./entry.ts";
import { fixedErrors } from "./fixed.ts";
import { installationErrors } from "./installation.ts";
import { kubernetesErrors } from "./kubernetes.ts";

export type { ErrorEntry } from "./entry.ts";

const RETRY = 11;
const BAD_CONFIGURATION = 7;

/**
 * The one catalogue of enid's errors. A code is stable once released; docs/errors.md is rendered from here and a test
 * keeps the two equal. Each entry says what happened (with values) and what to do.
 */
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

  // User data
  ...bootstrapErrors,

  // Installation on a node
  ...installationErrors,

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

  ...cloudErrors,

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
    remedy: "Supported are ADD, DEL, CHECK, GC, STATUS and VERSION.",
    cni: 4,
    exit: 1,
  },
  ENID_CNI_VERB_VERSION: {
    message: "CNI version {version} has no {verb}",
    remedy:
      "The specification has it since {since}: set cniVersion of the network configuration to that or a newer one.",
    cni: 1,
    exit: 1,
  },
  ENID_CNI_FIELD: {
    message: "the network configuration has {key} {value}, which enid does not support",
    remedy:
      "Take the capability out of the network configuration: the node's addresses come from EC2 or from ipam.podCIDRs.",
    cni: 2,
    exit: 1,
  },

  ENID_ADDRESS_UNAVAILABLE: {
    message: "{address}, which {pod} asks for, cannot be had: {reason}",
    remedy: "Ask for an address of the node's own blocks that is free (`enid status`), or for none in particular.",
    cni: 103,
    exit: 1,
  },
  ENID_LIMITED: {
    message: "pods of this node may have limited connectivity: {reason}",
    remedy: "`enid status` shows what is missing; enid goes on mending it.",
    cni: 51,
    exit: 1,
  },
  ENID_HOST_ROUTES: {
    message: "the host routes of {subject} are not in place: {detail}",
    remedy:
      "enid needs iproute2 and CAP_NET_ADMIN in the node's network namespace; docs/host-routes.md says what it sets.",
    cni: RETRY,
    exit: 1,
  },
  ENID_CLEANUP_STATE: {
    message: "there is no state {file} that says what enid made on this node",
    remedy:
      "Name the folder of the state with --state-dir; or let the shape alone tell: --by-shape, first with --dry-run.",
    exit: 1,
  },
  ENID_NODE_PORT_MARKS: {
    message: "the marks for node-port traffic are not set: {detail}",
    remedy:
      "Install nftables. Pods are not affected; a node port that kube-proxy serves may not answer for a pod on a secondary interface.",
    exit: 1,
  },
  ENID_FLEET_AWAY: {
    message: "the fleet's store cannot be asked: {detail}",
    remedy:
      "Pods go on being served; nothing moves until it is back. `enid fleet nodes` and the section fleet of `enid status` show the connection; docs/fleet.md says what happens meanwhile.",
    cni: RETRY,
    exit: 1,
  },
  ENID_FLEET_NONE: {
    message: "no fleet is configured: {detail}",
    remedy:
      'Name a file whose section fleet has the servers, with --configuration or ENID_CONFIGURATION: "fleet": {"redis": ["HOST:PORT"]} (docs/fleet.md).',
    exit: 1,
  },
  ENID_FLEET_PROFILES: {
    message: "the fleet's profiles cannot be in force on this node: {detail}",
    remedy:
      "What was in force before stays. Correct the profile (`enid fleet profiles`, `enid fleet set`), or say what it contradicts otherwise on this node.",
    exit: 1,
  },
  ENID_FLEET_RESTART: {
    message: "settings of the fleet wait for a restart: {detail}",
    remedy: "Restart enid; no pod notices. Until then the node goes on as it was started.",
    exit: 1,
  },
  ENID_FLEET_FILE: {
    message: "the file {file} of {setting} cannot be used: {detail}",
    remedy:
      "Passwords are one line; certificates and keys are PEM. Passwords and keys belong to enid's user or root, with mode 0600 or 0640. enid looks again by itself.",
    exit: 1,
  },
  ENID_FLEET_FAILED: {
    message: "the fleet's store refused {step}: {detail}",
    remedy:
      "The user of the store needs the commands that docs/fleet.md lists; the server is Redis 6.2 or newer, or Valkey.",
    cni: RETRY,
    exit: 1,
  },
  ...fixedErrors,

  ...kubernetesErrors,
  ENID_BIRD: {
    message: "BIRD does not announce this node as it should: {detail}",
    remedy: "`birdc show protocols` and BIRD's log say more; docs/bird.md says how enid and BIRD work together.",
    cni: RETRY,
    exit: 1,
  },
  ENID_BGP_INCOMPLETE: {
    message: "the settings of bgp do not make a bird.conf: {detail}",
    remedy: "Complete the section bgp of the configuration; docs/bird.md has an example.",
    exit: 3,
  },
  ENID_PASSWORD_FILE: {
    message: "the password file {file} cannot be used: {detail}",
    remedy: "Write the password of the session into it, one line, with mode 0600 and enid's user as its owner.",
    exit: 1,
  },
  ENID_OUTPUT_FAILED: {
    message: "{file} cannot be written: {detail}",
    remedy: "Name a file in a folder that exists and is writable.",
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

  // Adoption
  ENID_ADOPTION_FILE_UNREADABLE: {
    message: "{file} cannot be read: {detail}",
    remedy: "Name the other IPAM's record with --file; docs/adoption.md says where it is and how to get it.",
    exit: 1,
  },
  ENID_ADOPTION_FILE_INVALID: {
    message: "{file} is not a record that leases can be taken over from: {detail}",
    remedy: "Nothing was taken over. Check that --from names the program that wrote the file, and that it is whole.",
    exit: 1,
  },
  ENID_ADOPTION_EARLY: {
    message: "leases cannot be taken over yet: {reason}",
    remedy: "Nothing was taken over. Run the command again; `enid status` shows what the daemon waits for.",
    exit: 1,
  },
  ENID_ADOPTION_OTHER_RUNS: {
    message: "{ipam} still runs on this node: something answers on {address}",
    remedy:
      "Two programs must not give out the same addresses: stop it on this node first (docs/adoption.md). If it is another program that answers there, add --ipamd off.",
    exit: 1,
  },
  ENID_ADOPTION_LATE: {
    message: "after {waitedS} s the daemon has not taken over {interfaces}: {reason}",
    remedy:
      "The leases are safe: they are entered and kept. `enid status` says what the daemon waits for; run the command again to see the end of it.",
    exit: 1,
  },

  // Simulator
  ENID_SIMULATOR_MODEL: {
    message: "the model {file} is not usable: {detail}",
    remedy: "See docs/simulator.md for the form of a --vpc file.",
    exit: 2,
  },
  ENID_SCENARIO_INVALID: {
    message: "the scenario {file} is not usable: {detail}",
    remedy: "See docs/scenarios.md for the form of a --scenario file, and bench/scenarios/ for some.",
    exit: 2,
  },
  ENID_SIMULATION_LOST: {
    message: "the simulation gave no result: {detail}",
    remedy:
      "Out of memory or time: take fewer nodes or --workers. Otherwise it is a fault of the simulator; report it.",
    exit: 1,
  },
  ENID_SIMULATION_REPORT: {
    message: "the report {file} cannot be written: {detail}",
    remedy: "Name a file in a folder that exists and is writable: --report FILE.",
    exit: 1,
  },
} as const satisfies Record<string, ErrorEntry>;
