/** A resource of a template. */
export interface Resource {
  readonly Type: string;
  readonly Properties: Readonly<Record<string, unknown>>;
  readonly DependsOn?: readonly string[];
}

/** What expressions of a template stand for, in the words of deploy/iam/enid-node.json; undefined for one that is not known. */
export type Names = (expression: Readonly<Record<string, unknown>>) => string | undefined;

/** The value with its expressions evaluated: joins joined, references named. Throws for a reference without a name. */
export function evaluated(value: unknown, names: Names): unknown {
  if (Array.isArray(value)) return value.map((one) => evaluated(one, names));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  const [[key, argument] = ["", undefined]] = entries;
  if (key === "Fn::Join" && Array.isArray(argument)) {
    const [separator, parts] = argument as [string, unknown[]];
    return parts.map((part) => String(evaluated(part, names))).join(separator);
  }
  if (key === "Fn::Base64") return Buffer.from(String(evaluated(argument, names))).toString("base64");
  if (key === "Ref" || key.startsWith("Fn::")) {
    const name = names(value as Record<string, unknown>);
    if (name === undefined) throw new Error(`no name for ${JSON.stringify(value)}`);
    return name;
  }
  return Object.fromEntries(entries.map(([name, one]) => [name, evaluated(one, names)]));
}
