import type { SettingValues } from "../../configuration/index.ts";
import { EnidError } from "../../errors.ts";
import { defineCommand, JSON_FLAG } from "../command.ts";

export const userData = defineCommand({
  name: "user-data",
  description:
    "Prints the user data by which an EC2 instance sets itself up: it fetches enid from S3, checks its SHA-256, installs it\nand lets the kubelet wait for it. The configuration is checked first, and refused with a secret in it. Nothing is sent\nanywhere.",
  positionals: "",
  positionalCount: [0, 0],
  flags: {
    os: {
      type: "string",
      value: "SYSTEM",
      help: "The operating system; -managed: of an EKS managed node group, where EKS adds the cluster.",
      oneOf: ["al2023", "al2023-managed", "bottlerocket", "bottlerocket-managed", "ubuntu"],
      required: true,
    },
    config: {
      type: "string",
      value: "FILE",
      help: "The CNI network configuration of the nodes, laid down as it is.",
      required: true,
    },
    "max-pods": {
      type: "number",
      value: "COUNT",
      help: "The kubelet's max-pods: what `enid max-pods TYPE` says of the smallest type.",
      range: [1, 9999],
      required: true,
    },
    artifact: { type: "string", value: "URL", help: "s3://BUCKET/KEY of the release; not for Bottlerocket." },
    sha256: { type: "string", value: "HEX", help: "SHA-256 of the release; not for Bottlerocket." },
    region: { type: "string", value: "REGION", help: "Region of bucket and nodes; not for Bottlerocket." },
    image: { type: "string", value: "IMAGE", help: "The container image of enid; for Bottlerocket alone." },
    cluster: { type: "string", value: "NAME", help: "The EKS cluster, where EKS does not add it." },
    "api-endpoint": { type: "string", value: "URL", help: "Of the cluster: https://…" },
    "certificate-authority": { type: "string", value: "BASE", help: "Of the cluster, in base64." },
    "service-cidr": { type: "string", value: "CIDR", help: "Of the cluster's services, e.g. 10.100.0.0/16." },
    "redis-secret": {
      type: "string",
      value: "SECRET",
      help: "Name or ARN in Secrets Manager of what the node writes into redis-password-file; not for Bottlerocket.",
    },
    json: JSON_FLAG,
  },
  examples: [
    {
      line: "enid user-data --os al2023-managed --config 05-enid.conflist --max-pods 58 --artifact s3://BUCKET/enid.tar.gz --sha256 HEX --region eu-central-1",
      what: "For the launch template of an EKS managed node group.",
    },
  ],
  async run({ flags, output }) {
    const { userData: render, USER_DATA_LIMIT_BYTES, placeholdersOf } = await import("../../bootstrap/index.ts");
    const system = flags.os as Parameters<typeof render>[0];
    const { bytes: configuration, settings } = await readSafe(flags.config);
    const passwordFile = settings["redis-password-file"];
    const values = valuesOf(system, placeholdersOf(system), flags);
    if (flags["redis-secret"] !== undefined && passwordFile === "") {
      throw usage(
        `--redis-secret is written to redis-password-file, which ${flags.config} does not name (section fleet)`,
      );
    }
    const data = render(system, {
      ...values,
      MAX_PODS: String(flags["max-pods"]),
      CONFLIST_BASE64: Buffer.from(configuration).toString("base64"),
      REDIS_PASSWORD_FILE: flags["redis-secret"] === undefined ? "" : passwordFile,
    });
    if (flags["redis-secret"] === undefined && passwordFile !== "") {
      output.error(`note: nothing here lays down ${passwordFile} (redis-password-file); --redis-secret does`);
    }
    if (data.bytes > USER_DATA_LIMIT_BYTES) {
      output.error(
        `note: ${data.bytes} bytes are more than the ${USER_DATA_LIMIT_BYTES} that EC2 takes; through \`gzip -9\`, which the node unpacks, it is ${data.gzippedBytes}`,
      );
    }
    output.line(flags.json ? JSON.stringify({ system, ...data }) : data.text.trimEnd());
    return 0;
  },
});

/** The configuration, which is valid and holds no secret. Throws ENID_CONFIG_* and ENID_USER_DATA_SECRET. */
async function readSafe(file: string): Promise<{ readonly bytes: Uint8Array; readonly settings: SettingValues }> {
  const { effectiveSettings, readConfiguration, readConfigurationBytes } = await import("../../configuration/index.ts");
  const { secretsIn } = await import("../../bootstrap/index.ts");
  const bytes = await readConfigurationBytes(file);
  const { values } = effectiveSettings(readConfiguration(bytes, file), {});
  const secrets = secretsIn(JSON.parse(new TextDecoder().decode(bytes)));
  if (secrets.length > 0) throw new EnidError("ENID_USER_DATA_SECRET", { file, places: secrets.join(", ") });
  return { bytes, settings: values };
}

/** The flags whose values stand in templates as they are. */
const FLAGS = {
  ARTIFACT_S3: "artifact",
  ARTIFACT_SHA256: "sha256",
  REGION: "region",
  IMAGE: "image",
  CLUSTER_NAME: "cluster",
  API_ENDPOINT: "api-endpoint",
  CERTIFICATE_AUTHORITY: "certificate-authority",
  SERVICE_CIDR: "service-cidr",
  REDIS_SECRET: "redis-secret",
} as const;
type Name = keyof typeof FLAGS;
const CLUSTER: readonly string[] = ["CLUSTER_NAME", "API_ENDPOINT", "CERTIFICATE_AUTHORITY", "SERVICE_CIDR"];

/**
 * The values that flags give. Each flag that the template has no place for, and each place without its flag, is an error; but
 * for the secret, and for the cluster of a Ubuntu that joins by other means, which gets all of it or none.
 */
function valuesOf(
  system: string,
  placeholders: readonly string[],
  flags: Readonly<Record<(typeof FLAGS)[Name], string | undefined>>,
): Readonly<Record<string, string>> {
  const names = Object.keys(FLAGS) as Name[];
  const noCluster = system === "ubuntu" && CLUSTER.every((name) => flags[FLAGS[name as Name]] === undefined);
  const mayLack = (name: string) => name === "REDIS_SECRET" || (noCluster && CLUSTER.includes(name));
  for (const name of names) {
    const given = flags[FLAGS[name]] !== undefined;
    const used = placeholders.includes(name);
    if (given && !used) throw usage(`--${FLAGS[name]} has no place in user data of ${system}`);
    if (used && !given && !mayLack(name)) throw usage(`--${FLAGS[name]} is missing: user data of ${system} needs it`);
  }
  return Object.fromEntries(names.map((name) => [name, flags[FLAGS[name]] ?? ""]));
}

function usage(detail: string): EnidError {
  return new EnidError("ENID_USAGE", { detail, command: "user-data" });
}
