import { createHash } from "node:crypto";
import { Token } from "aws-cdk-lib";
import type { IConstruct } from "constructs";
import {
  type Placeholder,
  placeholdersOf,
  USER_DATA_LIMIT_BYTES,
  type UserDataValues,
  userData,
} from "../../src/bootstrap/index.ts";
import { EnidPropsError } from "./props-error.ts";

/** Operating system of a node group: Amazon Linux 2023 or Bottlerocket, as EKS optimizes them. */
export type OperatingSystem = "al2023" | "bottlerocket";

/**
 * The user data of a managed node group: deploy/ec2/ with its placeholders replaced, as `enid user-data` does it. Values may be
 * tokens. Throws enid's ENID_USER_DATA_VALUE, and EnidPropsError where EC2 would not take so much.
 */
export function renderUserData(
  construct: IConstruct,
  system: OperatingSystem,
  values: UserDataValues,
  additional?: string,
): string {
  const tokens = new Map<string, string>();
  const literal = Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      if (!Token.isUnresolved(value)) return [name, value];
      const standIn = standInOf(name as Placeholder);
      tokens.set(standIn, value);
      return [name, standIn];
    }),
  );
  const rendered = userData(`${system}-managed`, literal).text;
  const whole = additional === undefined ? rendered : ADD[system](construct, rendered, additional);
  const bytes = Buffer.byteLength(whole);
  if (bytes > USER_DATA_LIMIT_BYTES) {
    throw new EnidPropsError(
      construct,
      `the user data has ${bytes} bytes; EC2 takes ${USER_DATA_LIMIT_BYTES}. Shorten the configuration (rules of ipam.fixed, tags)${additional === undefined ? "" : " or additionalUserData"}`,
    );
  }
  return [...tokens].reduce((text, [standIn, token]) => text.replaceAll(standIn, () => token), whole);
}

/** Puts a text of the user's behind enid's own. Throws EnidPropsError for one that could not stand there. */
const ADD: Readonly<Record<OperatingSystem, (construct: IConstruct, text: string, additional: string) => string>> = {
  al2023: (construct, text, additional) => {
    const [, boundary = ""] = /boundary="([^"]+)"/.exec(text) ?? [];
    const end = text.lastIndexOf(`--${boundary}--`);
    if (boundary === "" || end === -1) throw new Error("the template of al2023 is no MIME document");
    if (!additional.startsWith("#!") || additional.includes(`--${boundary}`)) {
      throw new EnidPropsError(
        construct,
        `additionalUserData is no script; allowed on al2023 is one that begins with #!, without a line --${boundary}`,
      );
    }
    const part = `--${boundary}\nContent-Type: text/x-shellscript; charset="us-ascii"\n\n${additional.trimEnd()}\n\n`;
    return `${text.slice(0, end)}${part}${text.slice(end)}`;
  },
  bottlerocket: (construct, text, additional) => {
    // A key without a table of its own would belong to the last table before it.
    if (/^(?:\s*(?:#.*)?\n)*\[settings\./.test(additional)) return `${text.trimEnd()}\n\n${additional.trimEnd()}\n`;
    throw new EnidPropsError(
      construct,
      "additionalUserData is no settings; allowed on bottlerocket is TOML that begins with a table [settings.…]",
    );
  },
};

/** Has the system's user data a place for it? */
export function hasPlaceFor(system: OperatingSystem, name: Placeholder): boolean {
  return placeholdersOf(`${system}-managed`).includes(name);
}

/** A text that the placeholder takes, that no other text holds, and that is about as long as what comes in its place. */
function standInOf(name: Placeholder): string {
  const mark = createHash("sha256").update(name).digest("hex");
  switch (name) {
    case "ARTIFACT_S3":
      return `s3://${mark.slice(0, 60)}/${mark}`;
    case "REGION":
      // No digits but the last: letters for the hexadecimal ones.
      return `xx-${mark.slice(0, 8).replace(/\d/g, (digit) => "ghijklmnop".charAt(Number(digit)))}-1`;
    case "CONFLIST_BASE64":
      return mark.repeat(32);
    default:
      return mark;
  }
}
