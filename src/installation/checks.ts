import type { Settings } from "../configuration/index.ts";
import { coerceError } from "../errors.ts";
import type { Disk } from "./disk.ts";
import type { HostFacts } from "./host-facts.ts";
import type { Programs } from "./programs.ts";

/** What was looked at beside the files. No verdict keeps files from being laid down. */
export interface Check {
  readonly name:
    | "configuration"
    | "cni-order"
    | "metadata"
    | "hop-limit"
    | "permissions"
    | "link-management"
    | "programs"
    | "kernel";
  readonly verdict: "ok" | "advice" | "failed" | "not checked";
  readonly reason: string;
  /** What to do; empty when there is nothing. */
  readonly remedy: string;
}

/** Who the node is, as metadata says. */
export interface NodeIdentity {
  readonly instanceId: string;
  readonly instanceType: string;
  readonly region: string;
  /** Lower case. */
  readonly primaryMac: string;
}

/** What is asked of AWS. Both reject with an EnidError. */
export interface Probes {
  identity(): Promise<NodeIdentity>;
  /** What the settings need of EC2 and is not granted, a line each. */
  permissions(
    settings: Settings,
  ): Promise<{ readonly denied: readonly string[]; readonly unknown: readonly string[]; readonly allowed: number }>;
}

/** docs/host-routes.md. */
const LEAST_KERNEL = [4, 17] as const;
const LEAST_IPROUTE2 = [4, 20] as const;

export async function checkMetadata(
  probes: Probes,
): Promise<{ readonly checks: readonly Check[]; readonly identity?: NodeIdentity }> {
  try {
    const identity = await probes.identity();
    const { instanceId, instanceType, region } = identity;
    return {
      identity,
      checks: [
        { name: "metadata", verdict: "ok", reason: `${instanceId}, ${instanceType} in ${region}`, remedy: "" },
        {
          name: "hop-limit",
          verdict: "ok",
          reason:
            "a token came: it is enough for enid, which is in the host's network; 1 keeps pods from the node's role",
          remedy: "",
        },
      ],
    };
  } catch (thrown) {
    const { message, remedy } = coerceError(thrown);
    const hint =
      "In a container's network aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2 is needed.";
    const isHopLimit = message.includes("HttpPutResponseHopLimit");
    return {
      checks: [
        { name: "metadata", verdict: "failed", reason: message, remedy },
        isHopLimit
          ? { name: "hop-limit", verdict: "failed", reason: "the token's answer did not come this far", remedy: hint }
          : { name: "hop-limit", verdict: "not checked", reason: "metadata does not answer", remedy: "" },
      ],
    };
  }
}

export async function checkPermissionsOf(probes: Probes, settings: Settings): Promise<Check> {
  const name = "permissions";
  const remedy = "`enid check permissions` has each action; deploy/iam/enid-node.json has the statements.";
  try {
    const { denied, unknown, allowed } = await probes.permissions(settings);
    if (denied.length > 0) return { name, verdict: "failed", reason: `denied: ${denied.join(", ")}`, remedy };
    if (unknown.length > 0) return { name, verdict: "advice", reason: `not known: ${unknown.join(", ")}`, remedy };
    return { name, verdict: "ok", reason: `all ${allowed} that these settings need`, remedy: "" };
  } catch (thrown) {
    const { message, remedy: what } = coerceError(thrown);
    return { name, verdict: "not checked", reason: message, remedy: what };
  }
}

/** The programs that host routes are made with, and the kernel's age. On-premises enid needs neither. */
export async function checkMachine(
  disk: Disk,
  programs: Programs | undefined,
  kernel: string,
): Promise<readonly Check[]> {
  const remedy = "Install iproute2 and nftables.";
  const missing = ["ip", "nft"].filter(
    (name) => !["/usr/sbin", "/sbin", "/usr/bin", "/bin"].some((folder) => disk.hasFile(`${folder}/${name}`)),
  );
  if (missing.includes("ip")) {
    return [
      { name: "programs", verdict: "failed", reason: "there is no `ip`, by which enid sets routes and rules", remedy },
    ];
  }
  const checks: Check[] = [];
  const version = programs === undefined ? "" : (await programs("ip", ["-V"])).text;
  const [, major = "", minor = ""] = /iproute2-(?:v)?(\d+)\.(\d+)/.exec(version) ?? [];
  if (major !== "" && isBefore([Number(major), Number(minor)], LEAST_IPROUTE2)) {
    const reason = `iproute2 is ${major}.${minor}; enid needs ${LEAST_IPROUTE2.join(".")}`;
    checks.push({ name: "programs", verdict: "failed", reason, remedy });
  } else if (missing.includes("nft")) {
    const reason =
      "there is no `nft`: node ports that kube-proxy serves may not answer for pods on secondary interfaces";
    checks.push({ name: "programs", verdict: "advice", reason, remedy });
  } else
    checks.push({
      name: "programs",
      verdict: "ok",
      reason: version.replace(/^ip utility, /, "") || "ip, nft",
      remedy: "",
    });
  if (programs !== undefined) {
    const [, first = "0", second = "0"] = /^(\d+)\.(\d+)/.exec(kernel) ?? [];
    const isOld = isBefore([Number(first), Number(second)], LEAST_KERNEL);
    checks.push({
      name: "kernel",
      verdict: isOld ? "failed" : "ok",
      reason: isOld ? `Linux ${kernel}; enid's rules need ${LEAST_KERNEL.join(".")}` : `Linux ${kernel}`,
      remedy: isOld ? "Take a newer kernel." : "",
    });
  }
  return checks;
}

/** Whether the runtime takes enid's configuration: it takes the first of the folder. */
export function checkOrder({ earlierConfigurations }: HostFacts): Check {
  const name = "cni-order";
  if (earlierConfigurations.length === 0)
    return { name, verdict: "ok", reason: "05-enid.conflist is the first", remedy: "" };
  return {
    name,
    verdict: "failed",
    reason: `${earlierConfigurations.join(", ")} in /etc/cni/net.d sorts before 05-enid.conflist, and the runtime takes the first`,
    remedy: "Remove it, unless it is a meta plugin (Multus) that delegates to enid's.",
  };
}

function isBefore(version: readonly [number, number], least: readonly [number, number]): boolean {
  return version[0] < least[0] || (version[0] === least[0] && version[1] < least[1]);
}
