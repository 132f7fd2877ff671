import type { Check } from "./checks.ts";
import type { HostFacts } from "./host-facts.ts";
import {
  CLOUD_CFG,
  DEFAULT_LINK,
  EC2_NETWORK,
  NETWORK_MANAGER_CONF,
  NETWORKD_CONF,
  POLICY_ROUTES_RULES,
  SECONDARY_NETWORK,
  SYSCTL_CONF,
} from "./texts.ts";

export interface HostFile {
  readonly path: string;
  readonly text: string;
}

export interface Place {
  /** Whether pods get their addresses from EC2. */
  readonly isOnAws: boolean;
  /** MAC address of the primary interface; undefined while it is not known, as in an image. */
  readonly primaryMac: string | undefined;
  /** The main plugin of the CNI configuration. */
  readonly mainPlugin: string;
}

const PLACEHOLDER = "PRIMARY_MAC";

/** Which files of deploy/host/ fit the machine, as the table of docs/cilium.md says, and what is left to be done by hand. */
export function chooseHostFiles(facts: HostFacts, { isOnAws, primaryMac, mainPlugin }: Place) {
  const files: HostFile[] = [];
  const checks: Check[] = [];
  const advise = (reason: string, remedy: string) =>
    checks.push({ name: "link-management", verdict: "advice", reason, remedy });
  const later = "Run `enid install` again on the instance: metadata has the MAC address.";

  if (facts.hasNetworkd) files.push({ path: "/etc/systemd/networkd.conf.d/50-enid.conf", text: NETWORKD_CONF });
  if (facts.hasNetworkManager) {
    const path = "/etc/NetworkManager/conf.d/50-enid.conf";
    const ofEc2 = `,driver:ena,except:mac:${PLACEHOLDER}`;
    if (isOnAws && primaryMac !== undefined) files.push({ path, text: filled(NETWORK_MANAGER_CONF, primaryMac) });
    else {
      files.push({
        path,
        text: NETWORK_MANAGER_CONF.replace(ofEc2, "").replace(
          /^# .*\n# address .*\n/m,
          "# Of this machine: the devices of pods.\n",
        ),
      });
      if (isOnAws)
        advise("NetworkManager may run DHCP on interfaces for pods: which one is the primary is not known here", later);
    }
  }
  if (isOnAws) {
    if (facts.hasEc2Network && !facts.keepsToPrimary) {
      const path = "/etc/systemd/network/80-ec2.network.d/50-enid.conf";
      if (primaryMac !== undefined) files.push({ path, text: filled(EC2_NETWORK, primaryMac) });
      else
        advise(
          "amazon-ec2-net-utils runs DHCP on interfaces for pods: which one is the primary is not known here",
          later,
        );
    }
    if (facts.hasPolicyRoutes) {
      files.push({ path: "/etc/udev/rules.d/99-vpc-policy-routes.rules", text: POLICY_ROUTES_RULES });
    }
    const byCloudInit =
      facts.hasCloudInit && (facts.hasNetplan || facts.system === "ubuntu" || facts.system === "debian");
    if (byCloudInit) files.push({ path: "/etc/cloud/cloud.cfg.d/50-enid.cfg", text: CLOUD_CFG });
    const isLeftToNetworkd = facts.hasNetworkd && !facts.hasEc2Network && !byCloudInit && !facts.hasNetworkManager;
    if (isLeftToNetworkd) {
      // Unmanaged is every interface of EC2 that no file before this one names: the primary one must be named.
      const primary = facts.earlyNetworks.find(
        ({ match }) =>
          primaryMac === undefined || !/MACAddress=/.test(match) || match.toLowerCase().includes(primaryMac),
      );
      if (primary !== undefined) {
        files.push({ path: "/etc/systemd/network/60-enid-secondary.network", text: SECONDARY_NETWORK });
      } else {
        advise(
          "systemd-networkd may run DHCP on interfaces for pods: no .network file names the primary interface, so they are not told apart",
          "Name the primary interface in /etc/systemd/network/10-primary.network ([Match] PermanentMACAddress=…, [Network] DHCP=yes), then run `enid install` again.",
        );
      }
    }
    if (facts.hasNmCloudSetup) {
      advise(
        "nm-cloud-setup gives the host every secondary address",
        "systemctl disable --now nm-cloud-setup.timer nm-cloud-setup.service",
      );
    }
  }
  if (facts.hasUdev && mainPlugin !== "cilium-cni") {
    files.push({ path: "/etc/systemd/network/99-default.link.d/50-enid.conf", text: DEFAULT_LINK });
  }
  if (facts.hasSysctl && mainPlugin === "cilium-cni") {
    files.push({ path: "/etc/sysctl.d/99-zzz-enid.conf", text: SYSCTL_CONF });
  }
  return { files, checks };
}

function filled(text: string, mac: string): string {
  return text.replace(/^(?!#)(.*)PRIMARY_MAC/gm, `$1${mac}`);
}
