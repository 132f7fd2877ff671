import { type Configuration, readConfiguration } from "../../configuration/index.ts";
import type { NodeSections } from "../scenario/index.ts";

const FILE = "/etc/cni/net.d/05-enid.conf";
/** Configurations that were read lately: a fleet has few, and thousands of nodes. */
const KEPT = 256;
const known = new Map<string, Configuration>();

/** The file that has these sections, read as the daemon reads it. Errors: ENID_CONFIG_*. */
export function configurationOf({ eni, ipam, fleet, kubernetes }: NodeSections): Configuration {
  const text = JSON.stringify({
    cniVersion: "1.0.0",
    name: "cilium",
    type: "cilium-cni",
    eni,
    ipam: kubernetes === undefined ? { type: "enid-ipam", ...ipam } : ipam,
    ...(fleet === undefined ? {} : { fleet }),
    ...(kubernetes === undefined ? {} : { kubernetes }),
  });
  const before = known.get(text);
  if (before !== undefined) return before;
  const configuration = readConfiguration(new TextEncoder().encode(text), FILE);
  if (known.size >= KEPT) known.clear();
  known.set(text, configuration);
  return configuration;
}
