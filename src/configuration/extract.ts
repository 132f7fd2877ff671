import type { JsonDocument } from "./document.ts";
import { placeText } from "./problems.ts";
import { type KeySchema, keySchemas } from "./schema.ts";
import { asObject, type Section } from "./section.ts";
import type { Configuration, Notice, Place, SettingValues, StatedFacts } from "./types.ts";

/** Name of enid's own CNI IPAM plugin. */
const OWN_PLUGIN = "enid-ipam";

/** Where both are set, the ids say all, as in Cilium. */
const IDS_OVER_TAGS = [
  ["subnet-ids", "subnet-tags"],
  ["security-groups", "security-group-tags"],
] as const;

/** The configuration that a valid file states. */
export function extract(document: JsonDocument, section: Section): Configuration {
  const values: Record<string, unknown> = {};
  const places: Record<string, Place> = {};
  const facts: Record<string, unknown> = {};
  const factPlaces: Record<string, Place> = {};
  const notices: Notice[] = [...section.notices];
  const found = keySchemas.flatMap((schema) => present(document, section, schema));
  const take = ({ schema, value, place }: Present): void => {
    values[schema.key] = canonical(value);
    places[schema.key] = place;
  };
  for (const entry of found) {
    const { schema, value, place, keyPlace } = entry;
    if (schema.role === "setting") take(entry);
    if (schema.role === "fact") {
      facts[schema.key] = value;
      factPlaces[schema.key] = place;
    }
    if (schema.role === "moved") {
      const modern = found.find((other) => other.schema.section === "ipam" && other.schema.key === schema.key);
      if (modern === undefined) take(entry);
      const used = modern === undefined ? "it is used" : `it is not used: ${placeText(modern.place)} is`;
      notices.push({ place: keyPlace, message: `"${schema.key}" in "eni" moved to "ipam" in 2020; ${used}` });
    }
    if (schema.role === "unread") {
      notices.push({ place: keyPlace, message: `"${schema.key}" in "ipam" is Cilium's and is not read` });
    }
    if (schema.section === "ipam" && schema.key === "type" && value !== OWN_PLUGIN) {
      const message = `"type" of "ipam" is ${document.spelling(place.pointer)}: cilium-cni asks that plugin for addresses, not "${OWN_PLUGIN}"`;
      notices.push({ place, message });
    }
  }
  if (!Object.hasOwn(section.value, "eni") && !Object.hasOwn(section.value, "ipam")) {
    const message = 'the file has neither "eni" nor "ipam": every setting has its default';
    notices.push({ place: document.place(section.pointer), message });
  }
  for (const [ids, tags] of IDS_OVER_TAGS) {
    const place = places[tags];
    if (place === undefined || isEmpty(values[ids]) || isEmpty(values[tags])) continue;
    notices.push({ place, message: `"${tags}" is not used: "${ids}" at ${placeText(places[ids] ?? place)} wins` });
  }
  return {
    file: document.source.file,
    text: document.source.text,
    form: section.form,
    network: text(section.root.name) || text(section.value.name),
    cniVersion: text(section.root.cniVersion) || text(section.value.cniVersion),
    // The schema has checked each value under its key.
    values: values as Partial<SettingValues>,
    places,
    facts: facts as StatedFacts,
    factPlaces,
    notices: notices.toSorted((a, b) => a.place.line - b.place.line || a.place.column - b.place.column),
  };
}

interface Present {
  readonly schema: KeySchema;
  readonly value: unknown;
  readonly place: Place;
  readonly keyPlace: Place;
}

function present(document: JsonDocument, section: Section, schema: KeySchema): Present[] {
  const holder = asObject(section.value[schema.section]);
  if (holder === undefined || !Object.hasOwn(holder, schema.key)) return [];
  const pointer = `${section.pointer}/${schema.section}/${schema.key}`;
  return [{ schema, value: holder[schema.key], place: document.place(pointer), keyPlace: document.keyPlace(pointer) }];
}

/** JSON knows -0; nothing further in should. Ranges and ids are canonical by their patterns. */
export function canonical(value: unknown): unknown {
  return value === 0 ? 0 : value;
}

function isEmpty(value: unknown): boolean {
  return Object.keys(value ?? {}).length === 0;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
