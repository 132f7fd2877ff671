/** Tags in requests: the rules EC2 checks before it stores any. */
import type { Tags } from "./records.ts";
import { invalidValue, missingParameter, SimulatedError } from "./simulated-error.ts";

export const TAG_SHAPE = { Key: "string", Value: "string" } as const;
export const TAG_SPECIFICATION_SHAPE = [{ ResourceType: "string", Tag: [TAG_SHAPE] }] as const;

const MAX_TAGS = 50;
const MAX_KEY = 127;
const MAX_VALUE = 256;

interface TagRequest {
  readonly Key: string | undefined;
  readonly Value: string | undefined;
}

/** Errors: MissingParameter, InvalidParameterValue (length, `aws:`, a key given twice). */
export function readTags(tags: readonly TagRequest[]): Map<string, string> {
  const read = new Map<string, string>();
  for (const { Key: key, Value: value = "" } of tags) {
    if (key === undefined || key === "") throw missingParameter("Tag.Key");
    if (key.toLowerCase().startsWith("aws:")) {
      throw invalidValue("Tag keys starting with 'aws:' are reserved for internal use");
    }
    if (key.length > MAX_KEY) throw invalidValue(`Tag key exceeds the maximum length of ${MAX_KEY} characters`);
    if (value.length > MAX_VALUE) throw invalidValue(`Tag value exceeds the maximum length of ${MAX_VALUE} characters`);
    if (read.has(key)) throw invalidValue(`Duplicate tag key '${key}' specified.`);
    read.set(key, value);
  }
  return read;
}

/** The tags that a create request gives to what it creates. */
export function readTagSpecifications(
  specifications: readonly { readonly ResourceType: string | undefined; readonly Tag: readonly TagRequest[] }[],
  resourceType: string,
): Tags {
  for (const specification of specifications) {
    if (specification.ResourceType !== resourceType) {
      throw invalidValue(
        `'${specification.ResourceType ?? "null"}' is not a valid taggable resource type for this operation.`,
      );
    }
  }
  const tags = readTags(specifications.flatMap((specification) => specification.Tag));
  checkTagCount(tags.size);
  return Object.fromEntries(tags);
}

export function checkTagCount(count: number): void {
  if (count > MAX_TAGS) {
    throw new SimulatedError("TagLimitExceeded", `The maximum number of tags is ${MAX_TAGS} per resource`);
  }
}
