/** Where things are on a node. docs/install.md has the same table. */

export const EXECUTABLE = "/usr/local/bin/enid";
export const PLUGIN = "/opt/cni/bin/enid-ipam";
export const CONFIGURATION = "/etc/cni/net.d/05-enid.conflist";
export const SERVICE = "enid.service";
export const SERVICE_UNIT = `/etc/systemd/system/${SERVICE}`;
/** What `systemctl enable` makes: enid starts when the machine does. */
export const SERVICE_LINK = {
  path: `/etc/systemd/system/multi-user.target.wants/${SERVICE}`,
  target: `/etc/systemd/system/${SERVICE}`,
};
export const ENVIRONMENT_FILE = "/etc/enid/enid.env";
export const STATE_FOLDER = "/var/lib/enid";
export const MANIFEST = `${STATE_FOLDER}/install.json`;
/** What lay where enid's files are now. */
export const REPLACED_FOLDER = `${STATE_FOLDER}/replaced`;
export const RUN_FOLDER = "/run/enid";

export const KUBELET_UNITS = { kubelet: "kubelet.service", snap: "snap.kubelet-eks.daemon.service" } as const;
export const kubeletDropIn = (unit: string) => `/etc/systemd/system/${unit}.d/50-enid.conf`;

/** Folders that only root may enter: state and settings. */
export const FOLDER_MODES: Readonly<Record<string, number>> = {
  [STATE_FOLDER]: 0o700,
  [REPLACED_FOLDER]: 0o700,
};

/** Made once: what the operator writes into it is his. */
export const ENVIRONMENT_TEXT = `# Settings of enid.service on this node, as systemd's EnvironmentFile= reads them. \`enid install\` makes this file once, and
# leaves it alone from then on. Restart enid after a change. \`enid run --help\` has the variables (ENID_LOG_LEVEL, ENID_LISTEN,
# ENID_NODE_LABELS, ...); ENID_ARGS is for flags that have none.
ENID_ARGS=
`;
