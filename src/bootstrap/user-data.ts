import { gzipSync } from "node:zlib";
import { EnidError } from "../errors.ts";
import { AL2023, AL2023_MANAGED, BOTTLEROCKET, BOTTLEROCKET_MANAGED, UBUNTU } from "./templates.ts";

/** The operating systems; "-managed": nodes of an EKS managed node group, where EKS itself adds the cluster. */
export const SYSTEMS = ["al2023", "al2023-managed", "bottlerocket", "bottlerocket-managed", "ubuntu"] as const;
export type System = (typeof SYSTEMS)[number];

const TEMPLATES: Readonly<Record<System, string>> = {
  al2023: AL2023,
  "al2023-managed": AL2023_MANAGED,
  bottlerocket: BOTTLEROCKET,
  "bottlerocket-managed": BOTTLEROCKET_MANAGED,
  ubuntu: UBUNTU,
};

/**
 * Of an instance, before it is coded in base64 ("User data is limited to 16 KB, in raw form, before it is base64-encoded":
 * EC2 user guide, Run commands when you launch an EC2 instance with user data input).
 */
export const USER_DATA_LIMIT_BYTES = 16_384;

/** What may stand for each placeholder: nothing that would end the quotes around it, or change the lines of the document. */
const VALUES = {
  ARTIFACT_S3: { pattern: /^s3:\/\/[a-z0-9.-]{3,63}\/[\w!.*()/+=@:,-]+$/, allowed: "s3://BUCKET/KEY" },
  ARTIFACT_SHA256: { pattern: /^[0-9a-f]{64}$/, allowed: "64 hexadecimal digits in lower case" },
  REGION: { pattern: /^[a-z]{2}(?:-[a-z]+)+-\d$/, allowed: "a Region, e.g. eu-central-1" },
  CONFLIST_BASE64: { pattern: /^[A-Za-z0-9+/]+={0,2}$/, allowed: "base64" },
  MAX_PODS: { pattern: /^[1-9]\d{0,3}$/, allowed: "a whole number from 1 to 9999" },
  CLUSTER_NAME: { pattern: /^(?:[0-9A-Za-z][\w-]{0,99})?$/, allowed: "the name of an EKS cluster" },
  API_ENDPOINT: { pattern: /^(?:https:\/\/[\w.:[\]-]+)?$/, allowed: "https://HOST" },
  CERTIFICATE_AUTHORITY: { pattern: /^(?:[A-Za-z0-9+/]+={0,2})?$/, allowed: "base64" },
  SERVICE_CIDR: { pattern: /^(?:[0-9a-fA-F.:]+\/\d{1,3})?$/, allowed: "a CIDR, e.g. 10.100.0.0/16" },
  IMAGE: { pattern: /^[\w./:@-]+$/, allowed: "a container image" },
  REDIS_SECRET: { pattern: /^[\w/+=.@:-]*$/, allowed: "the name or ARN of a secret of Secrets Manager" },
  REDIS_PASSWORD_FILE: { pattern: /^(?:\/[^\s'"]+)?$/, allowed: "an absolute path" },
} as const satisfies Readonly<Record<string, { readonly pattern: RegExp; readonly allowed: string }>>;

/** Characters of a refused value that its error shows. */
const SHOWN_LIMIT = 80;

export type Placeholder = keyof typeof VALUES;
export type UserDataValues = Readonly<Partial<Record<Placeholder, string>>>;

/** The placeholders of a system's template, each once, in the order of their first appearance. */
export function placeholdersOf(system: System): Placeholder[] {
  const names = [...TEMPLATES[system].matchAll(/@([A-Z0-9_]+)@/g)].map(([, name = ""]) => name as Placeholder);
  return [...new Set(names)];
}

export interface UserData {
  readonly text: string;
  readonly bytes: number;
  /** Of the text through gzip, which cloud-init, nodeadm and Bottlerocket unpack by themselves. */
  readonly gzippedBytes: number;
}

/**
 * The user data of a system: its template with every placeholder replaced. Throws ENID_USER_DATA_VALUE for a value that is
 * missing or cannot stand there, and ENID_USER_DATA_TOO_LARGE.
 */
export function userData(system: System, values: UserDataValues): UserData {
  const text = TEMPLATES[system].replace(/@([A-Z0-9_]+)@/g, (_, name: string) => {
    const rule = VALUES[name as Placeholder];
    const value = values[name as Placeholder];
    if (rule === undefined) throw new Error(`the template of ${system} has an unknown placeholder ${name}`);
    if (value === undefined || !rule.pattern.test(value)) {
      const shown = (value ?? "").slice(0, SHOWN_LIMIT);
      throw new EnidError("ENID_USER_DATA_VALUE", { name, value: shown, allowed: rule.allowed });
    }
    return value;
  });
  const bytes = Buffer.byteLength(text);
  const gzippedBytes = gzipSync(text, { level: 9 }).length;
  if (gzippedBytes > USER_DATA_LIMIT_BYTES) {
    throw new EnidError("ENID_USER_DATA_TOO_LARGE", { bytes, gzippedBytes, limitBytes: USER_DATA_LIMIT_BYTES });
  }
  return { text, bytes, gzippedBytes };
}
