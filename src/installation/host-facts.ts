import type { Disk } from "./disk.ts";

/** What the machine has of services that configure interfaces, and of the kubelet. Read from its files: also of an image. */
export interface HostFacts {
  /** ID of /etc/os-release: "amzn", "ubuntu", ...; empty when there is none. */
  readonly system: string;
  readonly hasNetworkd: boolean;
  readonly hasNetworkManager: boolean;
  readonly hasNmCloudSetup: boolean;
  /** amazon-ec2-net-utils: its DHCP for every interface, and its rules for secondary addresses. */
  readonly hasEc2Network: boolean;
  readonly hasPolicyRoutes: boolean;
  /** EKS' image keeps networkd to the primary interface by itself. */
  readonly keepsToPrimary: boolean;
  /** cloud-init, and netplan by which it configures interfaces. */
  readonly hasCloudInit: boolean;
  readonly hasNetplan: boolean;
  readonly hasUdev: boolean;
  readonly hasSysctl: boolean;
  /** .network files that sort before 60-enid-secondary.network and name a device or a MAC address, by their paths. */
  readonly earlyNetworks: readonly { readonly path: string; readonly match: string }[];
  readonly hasSnapKubelet: boolean;
  /** CNI configurations that the runtime takes before enid's. */
  readonly earlierConfigurations: readonly string[];
}

const NETWORK_FOLDERS = ["/etc/systemd/network", "/run/systemd/network", "/usr/lib/systemd/network"];

export function readHostFacts(disk: Disk): HostFacts {
  const has = (...paths: string[]) => paths.some((path) => disk.hasFile(path));
  const release = text(disk, "/etc/os-release") ?? text(disk, "/usr/lib/os-release") ?? "";
  const system = /^ID="?([\w.-]+)"?$/m.exec(release)?.[1] ?? "";
  return {
    system,
    hasNetworkd: has("/usr/lib/systemd/systemd-networkd"),
    hasNetworkManager: has("/usr/sbin/NetworkManager", "/usr/bin/NetworkManager"),
    hasNmCloudSetup: has("/usr/lib/systemd/system/nm-cloud-setup.timer"),
    hasEc2Network: has("/usr/lib/systemd/network/80-ec2.network"),
    hasPolicyRoutes: has("/usr/lib/udev/rules.d/99-vpc-policy-routes.rules"),
    keepsToPrimary: has("/run/systemd/network/80-ec2.network.d/10-eks_primary_eni_only.conf"),
    hasCloudInit: has("/etc/cloud/cloud.cfg"),
    hasNetplan: has("/usr/sbin/netplan", "/usr/share/netplan/netplan.script"),
    hasUdev: has("/usr/lib/systemd/network/99-default.link"),
    hasSysctl: has("/usr/lib/systemd/systemd-sysctl"),
    earlyNetworks: NETWORK_FOLDERS.flatMap((folder) =>
      disk
        .list(folder)
        .filter((name) => name.endsWith(".network") && name < "60-enid-secondary.network")
        .map((name) => ({ path: `${folder}/${name}`, match: matchOf(text(disk, `${folder}/${name}`) ?? "") }))
        .filter(({ match }) => match !== ""),
    ),
    hasSnapKubelet:
      disk.hasFolder("/snap/kubelet-eks") ||
      has("/etc/systemd/system/snap.kubelet-eks.daemon.service") ||
      // Canonical's images for EKS.
      (system === "ubuntu" && has("/etc/eks/bootstrap.sh")),
    earlierConfigurations: disk
      .list("/etc/cni/net.d")
      .filter((name) => /\.(?:conf|conflist|json)$/.test(name) && name < "05-enid.conflist"),
  };
}

function text(disk: Disk, path: string): string | undefined {
  const bytes = disk.read(path);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

/** The lines of [Match] that name one interface: by MAC address, or by a name without wildcard. */
function matchOf(network: string): string {
  const section = /^\[Match\]\n([\s\S]*?)(?=^\[|$(?![\s\S]))/m.exec(network)?.[1] ?? "";
  const lines = section.split("\n").filter((line) => /^(?:PermanentMACAddress|MACAddress|Name)=[^*!?]+$/.test(line));
  return lines.join(" ");
}
