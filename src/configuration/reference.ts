import { type KeySchema, keySchemas, type PartKey, partKeys, SECTIONS, type SectionName } from "./schema.ts";

/** The place of a generated part in a document. */
interface Place {
  readonly begin: string;
  readonly end: string;
}

const KEYS: Place = placeOf("keys");
const SETTINGS: Place = placeOf("settings");

/** The tables of all keys of the sections as Markdown, rendered from the schemas. */
export function renderKeyTables(): string {
  return [...SECTIONS.map(renderSection), ...renderParts()].join("\n\n");
}

/** docs/configuration.md with its tables of keys rendered anew. Throws a TypeError when the document has no place for them. */
export function updateKeyTables(document: string): string {
  return replaced(document, KEYS, renderKeyTables());
}

/** All settings in one table, with the first sentence of each description. */
export function renderSettingsTable(): string {
  const settings = keySchemas.filter(({ role }) => role === "setting");
  const rows = settings.map(
    ({ section, key, default: byDefault, description }) =>
      `| \`${section}.${key}\` | ${code(byDefault)} | ${firstSentence(description)} |`,
  );
  return ["| setting | default | meaning |", "|---|---|---|", ...rows].join("\n");
}

/** README.md with its table of settings rendered anew. Throws a TypeError when it has no place for it. */
export function updateSettingsTable(document: string): string {
  return replaced(document, SETTINGS, renderSettingsTable());
}

function placeOf(name: string): Place {
  return {
    begin: `<!-- ${name}: generated from schemas/ by \`npm run docs\`; do not edit -->`,
    end: `<!-- /${name} -->`,
  };
}

function replaced(document: string, place: Place, tables: string): string {
  const begin = document.indexOf(place.begin);
  const end = document.indexOf(place.end);
  if (begin === -1 || end < begin) throw new TypeError(`the document lacks "${place.begin}" and "${place.end}"`);
  return `${document.slice(0, begin + place.begin.length)}\n\n${tables}\n\n${document.slice(end)}`;
}

function firstSentence(text: string): string {
  return /^(?:Cilium's key\. )?(.*?\.)(?: |$)/.exec(text)?.[1] ?? text;
}

function renderSection(section: SectionName): string {
  const own = keySchemas.filter((schema) => schema.section === section);
  const parts = [
    table(
      `### Settings in \`${section}\``,
      own.filter(({ role }) => role === "setting" || role === "other"),
    ),
    table(
      `### Facts in \`${section}\``,
      own.filter(({ role }) => role === "fact"),
    ),
    table(
      `### Old spellings in \`${section}\``,
      own.filter(({ role }) => role === "moved"),
    ),
    table(
      `### Cilium's keys in \`${section}\``,
      own.filter(({ role }) => role === "unread"),
    ),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function renderParts(): string[] {
  return Object.entries(partKeys).map(([name, keys]) => renderPart(`### Keys of ${name}`, keys));
}

function renderPart(heading: string, keys: readonly PartKey[]): string {
  const rows = keys.map(
    ({ key, required, allowed, examples, description }) =>
      `| \`${key}\` | ${allowed} | ${required ? "yes" : "no"} | ${examples.map(code).join(", ")} | ${description} |`,
  );
  return [heading, "", "| key | allowed | needed | example | meaning |", "|---|---|---|---|---|", ...rows].join("\n");
}

function table(heading: string, keys: readonly KeySchema[]): string {
  if (keys.length === 0) return "";
  const rows = keys.map(({ key, role, description, allowed, examples, default: byDefault }) => {
    const value = role === "setting" ? code(byDefault) : "";
    return `| \`${key}\` | ${allowed ?? "anything"} | ${value} | ${examples.map(code).join(", ")} | ${description} |`;
  });
  return [heading, "", "| key | allowed | default | example | meaning |", "|---|---|---|---|---|", ...rows].join("\n");
}

function code(value: unknown): string {
  return `\`${JSON.stringify(value)}\``;
}
