import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The files of deploy/systemd/ and deploy/host/. In the bundle scripts/build.ts puts the texts in the place of this file. */
const folder = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "deploy");
const read = (path: string) => readFileSync(join(folder, path), "utf8");

export const ENID_SERVICE: string = read("systemd/enid.service");
export const KUBELET_DROP_IN: string = read("systemd/kubelet.service.d/50-enid.conf");

/** Of deploy/host/. PRIMARY_MAC stands for the MAC address of the primary interface. */
export const NETWORKD_CONF: string = read("host/systemd/networkd.conf.d/50-enid.conf");
export const EC2_NETWORK: string = read("host/systemd/network/80-ec2.network.d/50-enid.conf");
export const SECONDARY_NETWORK: string = read("host/systemd/network/60-enid-secondary.network");
export const DEFAULT_LINK: string = read("host/systemd/network/99-default.link.d/50-enid.conf");
export const POLICY_ROUTES_RULES: string = read("host/udev/rules.d/99-vpc-policy-routes.rules");
export const CLOUD_CFG: string = read("host/cloud/cloud.cfg.d/50-enid.cfg");
export const NETWORK_MANAGER_CONF: string = read("host/NetworkManager/conf.d/50-enid.conf");
export const SYSCTL_CONF: string = read("host/sysctl.d/99-zzz-enid.conf");
