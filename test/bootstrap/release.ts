import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type System, type UserDataValues, userData } from "../../src/bootstrap/index.ts";
import { ROOT } from "../house/source-files.ts";

/** A release's tarball with stand-ins for its programs, and with deploy/ec2/ as it is; `more`: further files, or others in their place. */
export function makeArtifact(more: Readonly<Record<string, string | Buffer>> = {}): {
  readonly bytes: Buffer;
  readonly sha256: string;
} {
  const folder = mkdtempSync(join(tmpdir(), "enid-release-"));
  try {
    const release = join(folder, "enid-0.1.0-linux-x64");
    mkdirSync(join(release, "share/deploy"), { recursive: true });
    cpSync(join(ROOT, "test/bootstrap/stubs/release/enid"), join(release, "enid"));
    cpSync(join(ROOT, "deploy/ec2"), join(release, "share/deploy/ec2"), { recursive: true });
    writeFileSync(join(release, "enid-ipam"), "the plugin\n");
    for (const [name, contents] of Object.entries(more)) writeFileSync(join(release, name), contents);
    execFileSync("tar", ["-czf", join(folder, "a.tar.gz"), "-C", folder, "enid-0.1.0-linux-x64"]);
    const bytes = readFileSync(join(folder, "a.tar.gz"));
    return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const CONFLIST = readFileSync(join(ROOT, "deploy/compose/aws/05-enid.conflist"), "utf8");

/** A value for every placeholder. */
export const VALUES = {
  ARTIFACT_S3: "s3://artifacts/enid-0.1.0-linux-x64.tar.gz",
  ARTIFACT_SHA256: "0".repeat(64),
  REGION: "eu-central-1",
  CONFLIST_BASE64: Buffer.from(CONFLIST).toString("base64"),
  MAX_PODS: "58",
  CLUSTER_NAME: "prod-1",
  API_ENDPOINT: "https://0123456789ABCDEF.gr7.eu-central-1.eks.amazonaws.com",
  CERTIFICATE_AUTHORITY: "LS0tLS1CRUdJTg==",
  SERVICE_CIDR: "10.100.0.0/16",
  IMAGE: "123456789012.dkr.ecr.eu-central-1.amazonaws.com/enid:0.1.0",
  REDIS_SECRET: "",
  REDIS_PASSWORD_FILE: "",
} as const satisfies UserDataValues;

export interface Part {
  readonly type: string;
  readonly text: string;
}

/** The parts of user data as Python's email package reads them, which is what cloud-init does. */
export function partsOf(text: string): Part[] {
  const program = [
    "import email, json, sys",
    "parts = [p for p in email.message_from_file(sys.stdin).walk() if not p.is_multipart()]",
    "json.dump([{'type': p.get_content_type(), 'text': p.get_payload()} for p in parts], sys.stdout)",
  ].join("\n");
  return JSON.parse(execFileSync("/usr/bin/python3", ["-c", program], { input: text, encoding: "utf8" }));
}

/** The script of a system's user data. */
export function scriptOf(system: System, values: UserDataValues = {}): string {
  const part = partsOf(userData(system, { ...VALUES, ...values }).text).find(
    ({ type }) => type === "text/x-shellscript",
  );
  if (part === undefined) throw new Error(`user data of ${system} has no script`);
  return part.text;
}
