import { readRepositoryFile } from "./repository.ts";

/** A value of a Helm chart. */
export type HelmValue = string | number | boolean | { readonly [key: string]: HelmValue };

/** Helm values of Cilium's chart. */
export type HelmValues = Readonly<Record<string, HelmValue>>;

/** The release of Cilium's chart that deploy/cilium/values.yaml is for, as its first lines say. */
export function ciliumChartVersion(): string {
  const version = /--version (\d+\.\d+\.\d+)/.exec(readRepositoryFile("deploy/cilium/values.yaml"))?.[1];
  if (version === undefined) throw new Error("deploy/cilium/values.yaml names no version of the chart");
  return version;
}

/**
 * Cilium's Helm values for the hand-off through CNI: those of deploy/cilium/values.yaml, with `ipv6` also those of
 * deploy/cilium/ipv6/. docs/cilium.md says why each is there.
 */
export function ciliumValues({ ipv6 = false }: { readonly ipv6?: boolean } = {}): HelmValues {
  const values = readMappings(readRepositoryFile("deploy/cilium/values.yaml"));
  if (!ipv6) return values;
  return merged(values, readMappings(readRepositoryFile("deploy/cilium/ipv6/values.yaml")));
}

/** Values of the second win, key by key, as Helm merges `--values`. */
export function merged(first: HelmValues, second: HelmValues): HelmValues {
  const joined: Record<string, HelmValue> = { ...first };
  for (const [key, value] of Object.entries(second)) {
    const before = joined[key];
    joined[key] = typeof before === "object" && typeof value === "object" ? merged(before, value) : value;
  }
  return joined;
}

interface Level {
  readonly indent: number;
  readonly into: Record<string, HelmValue>;
}

/** Mappings of scalars, which is all of YAML that these files have. Throws for anything else. */
export function readMappings(text: string): HelmValues {
  const root: Record<string, HelmValue> = {};
  const levels: Level[] = [{ indent: 0, into: root }];
  let opened: Record<string, HelmValue> | undefined;
  text.split("\n").forEach((line, at) => {
    if (/^\s*(?:#.*)?$/.test(line)) return;
    const [, spaces = "", key, scalar] = /^( *)([A-Za-z][\w-]*):(?: (.+))?$/.exec(line) ?? [];
    const indent = spaces.length;
    if (opened !== undefined && indent > (levels.at(-1)?.indent ?? 0)) levels.push({ indent, into: opened });
    opened = undefined;
    while ((levels.at(-1)?.indent ?? 0) > indent) levels.pop();
    const level = levels.at(-1);
    if (key === undefined || level?.indent !== indent || key in level.into) {
      throw new Error(`line ${at + 1} is more than mappings of scalars: ${line}`);
    }
    if (scalar === undefined) {
      opened = {};
      level.into[key] = opened;
    } else {
      level.into[key] = scalarOf(scalar);
    }
  });
  return root;
}

function scalarOf(text: string): HelmValue {
  const quoted = /^"([^"\\]*)"$/.exec(text)?.[1];
  if (quoted !== undefined) return quoted;
  if (text === "true" || text === "false") return text === "true";
  if (/^\d+$/.test(text)) return Number(text);
  if (/^[A-Za-z][\w./-]*$/.test(text) && !/^(?:yes|no|on|off|y|n|null)$/i.test(text)) return text;
  throw new Error(`not a plain scalar: ${text}`);
}
