import { scenarioSchema } from "./schema.ts";

const BEGIN = "<!-- scenario: generated from schemas/scenario.schema.json by `npm run docs`; do not edit -->";
const END = "<!-- /scenario -->";

/** The parts of the file, in the order of the page, with the names of their definitions. */
const PARTS = [
  ["nodes", "One of `nodes`"],
  ["subnets", "One of `subnets`"],
  ["settings", "`settings`"],
  ["account", "`account`"],
  ["cloud", "`cloud`"],
  ["restart", "One of `restarts`"],
  ["exhaustion", "One of `exhaustion`"],
] as const;

interface Schema {
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly type?: string;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly $ref?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
}

const DEFINITIONS: Readonly<Record<string, Schema>> = scenarioSchema.$defs as unknown as Record<string, Schema>;

/** docs/scenarios.md with its tables rendered anew. Throws a TypeError when the page has no place for them. */
export function updateScenarioTables(page: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin === -1 || end < begin) throw new TypeError(`the page lacks "${BEGIN}" and "${END}"`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${renderTables()}\n\n${page.slice(end)}`;
}

function renderTables(): string {
  const patterns = (definition("workload").oneOf ?? []).map(({ $ref = "" }) => $ref.replace(/^.*\//, ""));
  const common = Object.entries(definition("steady").properties ?? {}).filter(([key]) =>
    patterns.every((pattern) => key !== "pattern" && definition(pattern).properties?.[key] !== undefined),
  );
  const shared = new Set(common.map(([key]) => key));
  return [
    "### The file",
    table(scenarioSchema as unknown as Schema),
    ...PARTS.flatMap(([name, heading]) => [
      `### ${heading}`,
      definition(name).description ?? "",
      table(definition(name)),
    ]),
    "### One of `workload`",
    "Each has a `pattern`, the keys of its table below, and these:",
    table({ properties: Object.fromEntries(common) }),
    ...patterns.flatMap((name) => [
      `#### \`${name}\``,
      definition(name).description ?? "",
      table(definition(name), (key) => key !== "pattern" && !shared.has(key)),
    ]),
  ].join("\n\n");
}

function table({ properties = {}, required = [] }: Schema, isShown = (_key: string) => true): string {
  const rows = Object.entries(properties)
    .filter(([key]) => isShown(key))
    .map(([key, schema]) => {
      const byDefault = required.includes(key) ? "required" : schema.default === undefined ? "" : code(schema.default);
      return `| \`${key}\` | ${allowed(schema)} | ${byDefault} | ${schema.description ?? ""} |`;
    });
  return ["| key | allowed | default | meaning |", "|---|---|---|---|", ...rows].join("\n");
}

function allowed(schema: Schema): string {
  const { $ref, type, items } = schema;
  const name = $ref?.replace(/^.*\//, "");
  if (name === "seconds") return "seconds, at most 2592000";
  if (name === "positiveSeconds") return "seconds, more than 0, at most 2592000";
  if (name === "milliseconds") return "milliseconds, at most 86400000";
  if (name === "span") return 'milliseconds, or `{"minMs", "maxMs"}`';
  if (name === "tags") return "tags, at most 50";
  if (name !== undefined) return `[below](#${anchorOf(name)})`;
  if (schema.enum !== undefined) return schema.enum.map(code).join(", ");
  if (type === "array") return `list of ${items === undefined ? "anything" : allowed(items)}`;
  if (type === "integer" || type === "number") return numberText(schema);
  if (type === "boolean") return "true or false";
  if (type === "string") return schema.pattern === undefined ? "text" : `text of the form \`${schema.pattern}\``;
  return type ?? "anything";
}

function numberText({ type, minimum, exclusiveMinimum, maximum }: Schema): string {
  const kind = type === "integer" ? "a whole number" : "a number";
  return exclusiveMinimum === undefined
    ? `${kind} from ${minimum} to ${maximum}`
    : `${kind} above ${exclusiveMinimum}, at most ${maximum}`;
}

function anchorOf(name: string): string {
  if (name === "settings" || name === "account" || name === "cloud") return name;
  return `one-of-${name === "restart" ? "restarts" : name}`;
}

function definition(name: string): Schema {
  const found = DEFINITIONS[name];
  if (found === undefined) throw new TypeError(`the schema has no definition ${name}`);
  return found;
}

function code(value: unknown): string {
  return `\`${JSON.stringify(value)}\``;
}
