import { Fn, Stack } from "aws-cdk-lib";
import type { IConstruct } from "constructs";
import { secretsIn } from "../../src/bootstrap/index.ts";
import { type Configuration, readConfiguration, type SettingValues } from "../../src/configuration/index.ts";
import { EnidError } from "../../src/errors.ts";
import { hasTokens, withStandIns } from "./stand-ins.ts";

/** The section `eni` of the configuration file: which network interfaces carry pods (docs/configuration.md). */
export type EniSection = Partial<
  Pick<
    SettingValues,
    | "first-interface-index"
    | "security-groups"
    | "security-group-tags"
    | "subnet-ids"
    | "subnet-tags"
    | "exclude-interface-tags"
    | "delete-on-termination"
    | "use-primary-address"
    | "disable-prefix-delegation"
    | "prefix-delegation"
    | "interface-idle-seconds"
    | "adopt-interfaces-of"
    | "cluster-name"
    | "start-jitter-seconds"
    | "first-start-jitter-seconds"
  >
>;

/** The section `ipam`: how many addresses a node holds. On-premises keys are left out: node groups are on AWS. */
export type IpamSection = Partial<
  Pick<
    SettingValues,
    | "min-allocate"
    | "pre-allocate"
    | "max-allocate"
    | "max-above-watermark"
    | "static-ip-tags"
    | "cooling-seconds"
    | "add-wait-seconds"
    | "ip-families"
    | "orphan-grace-seconds"
    | "release-excess"
    | "release-delay-seconds"
    | "fixed"
    | "fixed-annotations"
    | "fixed-parking"
    | "fixed-keep-seconds"
  >
>;

/** The section `fleet`: what nodes share through Redis or Valkey. Passwords are named by files, never given. */
export type FleetSection = Partial<
  Pick<
    SettingValues,
    | "fleet-name"
    | "redis"
    | "redis-kind"
    | "redis-master"
    | "redis-username"
    | "redis-password-file"
    | "sentinel-password-file"
    | "redis-tls"
    | "redis-ca-file"
    | "redis-certificate-file"
    | "redis-key-file"
    | "redis-replica-acks"
    | "budget-reserved-percent"
    | "budget-buckets"
  >
>;

/** What a node group says of its configuration file, with the keys that the file has. */
export interface EnidConfiguration {
  readonly eni?: EniSection;
  readonly ipam?: IpamSection;
  readonly fleet?: FleetSection;
}

/** A CNI plugin that runs after cilium-cni, as it stands in the list. */
export type ChainedPlugin = Readonly<Record<string, unknown>> & { readonly type: string };

/** The configuration file of a node group. */
export interface Conflist {
  /** Base64 of the file: a literal, or an expression of CloudFormation where it has values that are known later. */
  readonly base64: string;
  /** As enid reads the file; values that are known later have stand-ins. */
  readonly read: Configuration;
}

/** How CloudFormation spells a secret that it resolves into a template's text: it would end in the user data. */
const SECRET_REFERENCE = /\{\{resolve:(?:secretsmanager|ssm-secure):/;

/** JSON pointers of texts that CloudFormation would replace by a secret. */
function references(value: unknown, pointer = ""): string[] {
  if (typeof value === "string") return SECRET_REFERENCE.test(value) ? [pointer] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => references(inner, `${pointer}/${key.replaceAll("/", "~1")}`));
}

/**
 * Makes 05-enid.conflist and has enid's own reader judge it.
 *
 * Throws enid's errors: ENID_CONFIG_INVALID with all problems and their places, ENID_USER_DATA_SECRET. The file's name in them
 * begins with the construct's path.
 */
export function makeConflist(
  construct: IConstruct,
  { eni = {}, ipam = {}, fleet }: EnidConfiguration,
  chained: readonly ChainedPlugin[] = [],
): Conflist {
  const list = {
    cniVersion: "1.0.0",
    name: "cilium",
    plugins: [
      {
        type: "cilium-cni",
        // docs/cni.md: how the runtime passes a pod's annotations on.
        ...(ipam["fixed-annotations"] === true ? { capabilities: { "io.kubernetes.cri.pod-annotations": true } } : {}),
        eni,
        ipam: { type: "enid-ipam", ...ipam },
        ...(fleet === undefined ? {} : { fleet }),
      },
      ...chained,
    ],
  };
  const stack = Stack.of(construct);
  const file = `${construct.node.path}/05-enid.conflist`;
  const resolved = stack.resolve(list);
  const secrets = [...secretsIn(resolved), ...references(resolved)];
  if (secrets.length > 0) throw new EnidError("ENID_USER_DATA_SECRET", { file, places: secrets.join(", ") });
  const text = JSON.stringify(withStandIns(list), undefined, 2);
  const read = readConfiguration(Buffer.from(text), file);
  const base64 = hasTokens(list)
    ? Fn.base64(stack.toJsonString(list, 2))
    : Buffer.from(`${JSON.stringify(list, undefined, 2)}\n`).toString("base64");
  return { base64, read };
}
