import type { ErrorEntry } from "./entry.ts";

/** Of the installation on a node, of waiting for it, and of max-pods. */
export const installationErrors = {
  ENID_INSTALL_SOURCE: {
    message: "{what} cannot be installed from {file}: {detail}",
    remedy: "Unpack the release again and run its `./enid install`, or name the file: --executable, --plugin.",
    exit: 1,
  },
  ENID_INSTALL_CONFIGURATION: {
    message: "{file} cannot be the node's CNI configuration: {detail}",
    remedy: "Give a list, as deploy/compose/aws/05-enid.conflist is one: --config FILE. Nothing was changed.",
    exit: 3,
  },
  ENID_INSTALL_PATH: {
    message: "{path} cannot be {step}: {detail}",
    remedy:
      "Make room at that path (root, a writable disk, a file and not a folder), and run the command again: it ends what is half done.",
    exit: 1,
  },
  ENID_INSTALL_MANIFEST: {
    message: "{file} does not say what is installed here: {detail}",
    remedy:
      "It was written by another enid, or by hand. Move it away: then `enid install` takes what lies there for foreign, and says so.",
    exit: 1,
  },
  ENID_INSTALL_BUSY: {
    message: "another enid install or uninstall runs for {root}",
    remedy: "Wait for its end, and run the command again.",
    exit: 1,
  },
  ENID_INSTALL_SERVICE: {
    message: "{command} failed: {detail}",
    remedy:
      "The files are in place. `systemctl status enid` and `journalctl -u enid` say more; then run the command again, or with --no-start.",
    exit: 1,
  },
  ENID_UNINSTALL_PODS: {
    message: "{pods} of this node have addresses of enid",
    remedy: "Drain the node first: without the plugin no pod of it can be ended. --force uninstalls all the same.",
    exit: 1,
  },
  ENID_WAIT_OVER: {
    message: "the node is not ready after {waitedSeconds} s: {reason}",
    remedy: "`enid status` and `journalctl -u enid` say more; enid goes on by itself. Wait longer with --wait-seconds.",
    exit: 1,
  },
  ENID_MAX_PODS_TYPE: {
    message: "enid does not know the limits of {type}",
    remedy:
      "Check the spelling, e.g. m6i.large. For a type that is newer than this enid, give the kubelet a number of your own.",
    exit: 1,
  },
  ENID_MAX_PODS_NONE: {
    message:
      "a {type} has no interface for pods: it has {maxInterfaces}, and first-interface-index is {firstInterfaceIndex}",
    remedy: "Lower first-interface-index, or take a larger type.",
    exit: 1,
  },
  ENID_MAX_PODS_RANGES: {
    message: "the configuration has podCIDRs: how many pods a node can have is no matter of its instance type",
    remedy:
      "Give the kubelet at most as many pods as the ranges of the node have addresses: `enid status` counts them.",
    exit: 1,
  },
} as const satisfies Record<string, ErrorEntry>;
