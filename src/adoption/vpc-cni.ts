import { canonicalAddress, Place } from "./document.ts";
import type { AdoptableLease, AdoptionFile, AdoptionText } from "./types.ts";

/**
 * The only version there was so far (aws/amazon-vpc-cni-k8s, pkg/ipamd/datastore: CheckpointFormatVersion). Entries grew
 * within it: `ipv4` alone (1.7), `ipv4` or `ipv6` (1.10), also the time and the pod (1.11). One build wrote `ip`.
 */
const VERSION = "vpc-cni-ipam/1";
/** What entries read back from the container runtime have in place of what was not known then (to 1.11). */
const MIGRATED_NETWORK = "_migrated-from-cri";
const UNKNOWN_INTERFACE = "unknown";
/** Kubernetes runtimes name a pod's first interface so, always. */
const POD_INTERFACE = "eth0";

const CONTAINER_ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,255}$/;
const INTERFACE_NAME = /^[^/:\s]{1,15}$/;
const KUBERNETES_NAME = /^[\x21-\x2e\x30-\x7e]{0,253}$/;
const SHORT_ID_LENGTH = 12;

/**
 * Reads the checkpoint that the VPC CNI's daemon keeps of its leases.
 * @throws EnidError ENID_ADOPTION_FILE_INVALID.
 */
export function readVpcCniCheckpoint({ file, text, network }: AdoptionText): AdoptionFile {
  const document = Place.parse(file, text);
  const version = document.at("version");
  if (version.value !== VERSION) throw version.refuse(`is ${shown(version.value)}; enid reads ${VERSION}`);
  const allocations = document.at("allocations");
  const notes: string[] = [];
  const addresses = new Map<string, string>();
  const attachments = new Map<string, string>();
  const leases: AdoptableLease[] = [];
  // A Go program writes null for a list that was never filled.
  for (const entry of allocations.value === null ? [] : allocations.items()) {
    const lease = readEntry(entry, network);
    const { containerId, interfaceName } = lease.attachment;
    for (const address of [lease.address, lease.ipv6Address ?? []].flat()) once(addresses, address, address, entry);
    once(
      attachments,
      `${containerId} ${interfaceName}`,
      `interface ${interfaceName} of container ${containerId}`,
      entry,
    );
    leases.push(lease);
  }
  const nameless = leases.filter(({ pod }) => pod.namespace === "").length;
  if (nameless > 0) {
    notes.push(`${nameless} entries do not name their pod (the VPC CNI before 1.11): it is called after its container`);
  }
  return { leases, notes };
}

function readEntry(entry: Place, network: string): AdoptableLease {
  const containerId = matching(entry.at("containerID"), CONTAINER_ID, "is no container id");
  const statedInterface = matching(entry.at("ifName"), INTERFACE_NAME, "is no interface name");
  const statedNetwork = entry.at("networkName").optionalText();
  const metadata = entry.at("metadata");
  const pod = metadata.isAbsent
    ? { namespace: "", name: "" }
    : { namespace: podPart(metadata.at("k8sPodNamespace")), name: podPart(metadata.at("k8sPodName")) };
  const leasedAtMs = leasedAt(entry.at("allocationTimestamp"));
  return {
    ...readAddresses(entry),
    pod: { namespace: pod.namespace, name: pod.name || shortId(containerId), uid: "" },
    attachment: {
      network,
      containerId,
      interfaceName: statedInterface === UNKNOWN_INTERFACE ? POD_INTERFACE : statedInterface,
    },
    ...(leasedAtMs === undefined ? {} : { leasedAtMs }),
    ...(statedNetwork === network ? {} : { note: networkNote(statedNetwork) }),
  };
}

function readAddresses(entry: Place): Pick<AdoptableLease, "address" | "ipv6Address"> {
  const [ipv4, ipv6, any] = ["ipv4", "ipv6", "ip"].map((name) => addressAt(entry.at(name))) as [string, string, string];
  if (ipv4.includes(":")) throw entry.at("ipv4").refuse(`is ${shown(ipv4)}, not an IPv4 address`);
  if (ipv6 !== "" && !ipv6.includes(":")) throw entry.at("ipv6").refuse(`is ${shown(ipv6)}, not an IPv6 address`);
  const address = ipv4 || ipv6 || any;
  if (address === "") throw entry.refuse("has neither ipv4 nor ipv6");
  return ipv4 !== "" && ipv6 !== "" ? { address: ipv4, ipv6Address: ipv6 } : { address };
}

function addressAt(place: Place): string {
  const text = place.optionalText();
  if (text === "") return "";
  const address = canonicalAddress(text);
  if (address === undefined) throw place.refuse(`is ${shown(text)}, not an address`);
  return address;
}

/** Nanoseconds since the epoch; a time that is none (0, or of Go's zero time) says nothing. */
function leasedAt(place: Place): number | undefined {
  const ms = place.isAbsent ? 0 : Math.floor(place.number() / 1e6);
  return ms > 0 && Number.isSafeInteger(ms) ? ms : undefined;
}

function podPart(place: Place): string {
  return place.isAbsent ? "" : matching(place, KUBERNETES_NAME, "is no Kubernetes name");
}

function matching(place: Place, form: RegExp, fault: string): string {
  const text = place.text();
  if (!form.test(text)) throw place.refuse(`${fault}: ${shown(text)}`);
  return text;
}

function once(seen: Map<string, string>, key: string, what: string, entry: Place): void {
  const before = seen.get(key);
  if (before !== undefined) throw entry.refuse(`holds ${what} again, which ${before} has`);
  seen.set(key, entry.pointer);
}

function networkNote(stated: string): string {
  return stated === MIGRATED_NETWORK || stated === "" ? "network not known" : `of network ${stated}`;
}

/** As the CNI hand-off names a pod of which it knows the container alone. */
function shortId(containerId: string): string {
  return /^[0-9a-f]{32,}$/.test(containerId) ? containerId.slice(0, SHORT_ID_LENGTH) : containerId;
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? "missing").slice(0, 80);
}
