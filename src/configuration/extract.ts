import type { JsonDocument } from "./document.ts";
import { placeText } from "./problems.ts";
import { type KeySchema, keySchemas, SECTIONS } from "./schema.ts";
import { asObject, type Section } from "./section.ts";
import type { Configuration, Notice, Place, SettingValues, StatedFacts } from "./types.ts";
import { canonical } from "./value-faults.ts";

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
    values[schema.key] = canonical(schema.key, value);
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
  if (!SECTIONS.some((name) => Object.hasOwn(section.value, name))) {
    const message =
      'the file has none of "eni", "ipam", "bgp", "fleet" and "kubernetes": every setting has its default';
    notices.push({ place: document.place(section.pointer), message });
  }
  for (const [ids, tags] of IDS_OVER_TAGS) {
    const place = places[tags];
    if (place === undefined || isEmpty(values[ids]) || isEmpty(values[tags])) continue;
    notices.push({ place, message: `"${tags}" is not used: "${ids}" at ${placeText(places[ids] ?? place)} wins` });
  }
  notices.push(...unusedNotices(document, section, values, places));
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

/** What the file says and nothing comes of. */
function unusedNotices(
  document: JsonDocument,
  section: Section,
  values: Partial<SettingValues>,
  places: Configuration["places"],
): Notice[] {
  const notices: Notice[] = [];
  const families = values["ip-families"];
  const lone = families === "ipv4" ? "IPv6" : families === "ipv6" ? "IPv4" : undefined;
  const unused = values.podCIDRs?.find((cidr) => lone !== undefined && cidr.includes(":") === (lone === "IPv6"));
  if (unused !== undefined && places.podCIDRs !== undefined) {
    const message = `${lone} range ${unused} is not used: "ip-families" is "${families}"`;
    notices.push({ place: places.podCIDRs, message });
  }
  const bgp = asObject(section.value.bgp);
  if (bgp !== undefined && Object.keys(bgp).length > 0 && (values.asn ?? 0) === 0) {
    const place = document.keyPlace(`${section.pointer}/bgp`);
    notices.push({ place, message: '"bgp" is not used: it has no "asn", so enid writes nothing for BIRD' });
  }
  const kubernetes = asObject(section.value.kubernetes);
  if (kubernetes !== undefined && Object.keys(kubernetes).length > 0 && values["hand-off"] !== "cilium-node") {
    const place = document.keyPlace(`${section.pointer}/kubernetes`);
    notices.push({
      place,
      message: '"kubernetes" is not used: it has no "hand-off": "cilium-node", so the CNI plugin serves the pods',
    });
  }
  const fleet = asObject(section.value.fleet);
  if (fleet !== undefined && Object.keys(fleet).length > 0 && (values.redis ?? []).length === 0) {
    const place = document.keyPlace(`${section.pointer}/fleet`);
    notices.push({ place, message: '"fleet" is not used: it has no "redis", so the node works alone' });
  }
  return notices;
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

function isEmpty(value: unknown): boolean {
  return Object.keys(value ?? {}).length === 0;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
