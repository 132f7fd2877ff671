import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCES = join(dirname(dirname(fileURLToPath(import.meta.url))), "cdk", "src");

/** A property of an interface, as its source has it. */
export interface Prop {
  readonly name: string;
  readonly optional: boolean;
  readonly type: string;
  readonly text: string;
  /** What `@default` says; undefined without it. */
  readonly default: string | undefined;
}

/**
 * The page with each table behind a line `<!-- props: FILE INTERFACE -->` made anew from the docstrings of cdk/src/FILE. Throws where
 * a property has no docstring, or an optional one no `@default`.
 */
export function updatePropsTables(page: string): string {
  return page.replace(/(<!-- props: (\S+) (\w+) -->\n)(?:\|.*\n)*/g, (_, line: string, file: string, name: string) => {
    return `${line}${tableOf(propsOf(readFileSync(join(SOURCES, file), "utf8"), name))}`;
  });
}

function tableOf(props: readonly Prop[]): string {
  const rows = props.map(({ name, optional, type, text, default: fallback }) => {
    const kind = type.replaceAll("|", "\\|");
    return `| \`${name}\` | \`${kind}\` | ${optional ? fallback : "needed"} | ${text.replaceAll("|", "\\|")} |\n`;
  });
  return `| Prop | Type | Default | What |\n|---|---|---|---|\n${rows.join("")}`;
}

/** The properties of an interface whose docstrings are each on one line or more, and whose types are on one. */
export function propsOf(source: string, name: string): readonly Prop[] {
  const body = new RegExp(`^export interface ${name} \\{\\n([\\s\\S]*?)^\\}`, "m").exec(source)?.[1];
  if (body === undefined) throw new Error(`there is no interface ${name}`);
  const declared = body.match(/^ {2}readonly /gm)?.length ?? 0;
  const found = [...body.matchAll(/^ {2}(?:\/\*\*([\s\S]*?)\*\/\n {2})?readonly (\w+)(\??): (.+);$/gm)];
  if (found.length !== declared)
    throw new Error(`${name}: ${declared} properties, of which ${found.length} can be read`);
  return found.map(([, comment = "", prop = "", mark, type = ""]): Prop => {
    const [text = "", fallback] = comment
      .replace(/^\s*\* ?/gm, "")
      .trim()
      .replace(/\s+/g, " ")
      .split(" @default ");
    if (text === "" || text.startsWith("@default")) throw new Error(`${name}.${prop} has no docstring`);
    const optional = mark === "?";
    if (optional !== (fallback !== undefined))
      throw new Error(`${name}.${prop}: what is optional has a @default, and only that`);
    return { name: prop, optional, type, text, default: fallback };
  });
}
