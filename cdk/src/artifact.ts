import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { Stack } from "aws-cdk-lib";
import { Grant, type IGrantable } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import { Asset } from "aws-cdk-lib/aws-s3-assets";
import { Construct } from "constructs";
import { EnidPropsError } from "./props-error.ts";

/** Platform that a release is for. */
export type ReleasePlatform = "linux-x64" | "linux-arm64";

/** Props of EnidArtifact: either `file`, or `bucket`, `key` and `sha256`. */
export interface EnidArtifactProps {
  /** Path of the release, `dist/enid-VERSION-linux-x64.tar.gz`: it becomes an asset of the stack. A file of the same name and `.sha256` beside it is compared. @default none: it is in S3 already */
  readonly file?: string;
  /** Bucket that has the release already. @default none */
  readonly bucket?: IBucket;
  /** Key of the release in `bucket`. @default none */
  readonly key?: string;
  /** SHA-256 of the release in `bucket`, 64 hexadecimal digits in lower case. The nodes refuse anything else. @default that of `file` */
  readonly sha256?: string;
  /** Key that `bucket` is encrypted with, if one of your own. @default that of `bucket` */
  readonly encryptionKey?: IKey;
  /** Platform of the release. @default what the name of the file or the key says */
  readonly platform?: ReleasePlatform;
}

/** enid's release in S3, with the checksum by which the nodes know it. */
export class EnidArtifact extends Construct {
  /** `s3://BUCKET/KEY`; may be a token. */
  readonly s3Url: string;
  /** 64 hexadecimal digits in lower case. */
  readonly sha256: string;
  readonly platform: ReleasePlatform;
  readonly bucket: IBucket;
  /** Key of the object in `bucket`. */
  readonly key: string;
  /** The asset, where a file was given. */
  readonly asset: Asset | undefined;

  readonly #encryptionKey: IKey | undefined;

  constructor(scope: Construct, id: string, props: EnidArtifactProps) {
    super(scope, id);
    const { file, bucket, key, sha256 } = props;
    if (file !== undefined) {
      if (bucket !== undefined || key !== undefined || sha256 !== undefined) {
        throw new EnidPropsError(
          this,
          "file stands alone; bucket, key and sha256 are for a release that is in S3 already",
        );
      }
      this.sha256 = this.#checksumOf(file);
      this.asset = new Asset(this, "Asset", { path: file });
      this.bucket = this.asset.bucket;
      this.key = this.asset.s3ObjectKey;
    } else {
      if (bucket === undefined || key === undefined || sha256 === undefined) {
        throw new EnidPropsError(this, "give file, or bucket, key and sha256");
      }
      if (!/^[0-9a-f]{64}$/.test(sha256)) {
        throw new EnidPropsError(this, `sha256 is "${sha256}"; allowed are 64 hexadecimal digits in lower case`);
      }
      this.sha256 = sha256;
      this.asset = undefined;
      this.bucket = bucket;
      this.key = key;
    }
    this.s3Url = this.bucket.s3UrlForObject(this.key);
    this.platform = props.platform ?? this.#platformOf(file ?? this.key);
    this.#encryptionKey = props.encryptionKey ?? this.bucket.encryptionKey;
  }

  /**
   * Allows to read this one object, and to decrypt it. Nodes of the template before this one keep their right to the release
   * before this one only while their role names it: change release and node group in one deployment.
   */
  grantRead(grantee: IGrantable): Grant {
    const grant = Grant.addToPrincipal({
      grantee,
      actions: ["s3:GetObject"],
      resourceArns: [this.bucket.arnForObjects(this.key)],
    });
    return this.#encryptionKey === undefined ? grant : grant.combine(this.#encryptionKey.grantDecrypt(grantee));
  }

  #checksumOf(file: string): string {
    if (!existsSync(file)) throw new EnidPropsError(this, `there is no ${file}; \`npm run build\` makes the release`);
    const sum = createHash("sha256").update(readFileSync(file)).digest("hex");
    const beside = `${file}.sha256`;
    const said = existsSync(beside) ? readFileSync(beside, "utf8").split(/\s/)[0] : undefined;
    if (said !== undefined && said !== sum) {
      throw new EnidPropsError(this, `the SHA-256 of ${file} is ${sum}, but ${basename(beside)} says ${said}`);
    }
    return sum;
  }

  #platformOf(name: string): ReleasePlatform {
    const platform =
      Stack.of(this).resolve(name) === name ? /linux-(?:x64|arm64)/.exec(basename(name))?.[0] : undefined;
    if (platform === "linux-x64" || platform === "linux-arm64") return platform;
    throw new EnidPropsError(this, "the name does not say linux-x64 or linux-arm64; give platform");
  }
}
