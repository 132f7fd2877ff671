import type { JsonDocument } from "./document.ts";
import { type Problem, placeText, pointerToken, printable, problem } from "./problems.ts";
import { isSettingName, pluginKeys, SECTIONS, schemaErrors, settingSchema } from "./schema.ts";
import { schemaProblems } from "./schema-problems.ts";
import { editDistance, plain } from "./suggestion.ts";
import type { Notice } from "./types.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** The part of the file that enid reads: the object that holds `eni`, `ipam`, `bgp`, `fleet` and `kubernetes`. */
export interface Section {
  readonly form: "single" | "list";
  readonly pointer: string;
  readonly value: JsonObject;
  readonly root: JsonObject;
  /** False: the list is so broken that no section can be told. */
  readonly usable: boolean;
  readonly problems: readonly Problem[];
  readonly notices: readonly Notice[];
}

const PLUGIN_TYPE = "cilium-cni";
/** For "allowed are ...". */
const SECTIONS_TEXT = '"eni", "ipam", "bgp", "fleet" and "kubernetes"';

/** Finds the part as Cilium does, and says what of the file would be lost that way. `document` holds an object. */
export function findSection(document: JsonDocument): Section {
  const root = asObject(document.value) ?? {};
  if (!Object.hasOwn(root, "plugins")) return section(document, { form: "single", pointer: "", value: root, root });
  const broken = schemaProblems(document, "", schemaErrors("network-configuration-list", root));
  if (broken.length > 0) {
    return { form: "list", pointer: "", value: root, root, usable: false, problems: broken, notices: [] };
  }
  const plugins = (Array.isArray(root.plugins) ? root.plugins : []).map((plugin) => asObject(plugin) ?? {});
  const at = plugins.findIndex((plugin) => plugin.type === PLUGIN_TYPE);
  const chosen = plugins[at];
  if (chosen === undefined) {
    const whole = section(document, { form: "list", pointer: "", value: root, root });
    return { ...whole, problems: [...whole.problems, ...missedEntries(document, root, plugins)] };
  }
  const entry = section(document, { form: "list", pointer: `/plugins/${at}`, value: chosen, root });
  const shadows = [
    { pointer: "", value: root },
    ...plugins
      .map((value, index) => ({ pointer: `/plugins/${index}`, value }))
      .filter(({ value }, index) => index > at && value.type === PLUGIN_TYPE),
  ].map((other) => unreadSections(document, entry, other));
  const atRoot = topLevelKeys(document, "", root);
  return {
    ...entry,
    problems: [...entry.problems, ...shadows.flatMap(({ problems }) => problems), ...atRoot.problems],
    notices: [...entry.notices, ...shadows.flatMap(({ notices }) => notices), ...atRoot.notices],
  };
}

type Found = Pick<Section, "form" | "pointer" | "value" | "root">;
type Findings = Pick<Section, "problems" | "notices">;

function section(document: JsonDocument, found: Found): Section {
  return { ...found, usable: true, ...topLevelKeys(document, found.pointer, found.value) };
}

/** Keys beside the sections: those of other programs pass; a misspelt section or a setting outside its section does not. */
function topLevelKeys(document: JsonDocument, base: string, value: JsonObject): Findings {
  const problems: Problem[] = [];
  const notices: Notice[] = [];
  for (const key of Object.keys(value)) {
    // CNI reserves keys that begin with "cni.dev/" for runtimes.
    if (pluginKeys.includes(key) || key.startsWith("cni.dev/")) continue;
    const place = document.keyPlace(`${base}/${pointerToken(key)}`);
    const quoted = printable(JSON.stringify(key));
    const meant = SECTIONS.find((name) => editDistance(plain(key), name) <= 1);
    if (meant !== undefined) {
      problems.push(
        problem(place, quoted, `key ${quoted} is not known: did you mean "${meant}"?; allowed are ${SECTIONS_TEXT}`),
      );
    } else if (isSettingName(key)) {
      const owner = settingSchema(key).section;
      problems.push(
        problem(
          place,
          quoted,
          `key ${quoted} is misplaced: it belongs into "${owner}"; allowed here are ${SECTIONS_TEXT}`,
        ),
      );
    } else {
      notices.push({ place, message: `key ${quoted} is not enid's and is not read` });
    }
  }
  return { problems, notices };
}

/** Sections outside the entry that is read: a notice where that entry has its own, else a problem, for they would be lost. */
function unreadSections(document: JsonDocument, entry: Section, other: Pick<Section, "pointer" | "value">): Findings {
  const problems: Problem[] = [];
  const notices: Notice[] = [];
  for (const name of SECTIONS) {
    if (!Object.hasOwn(other.value, name)) continue;
    const place = document.keyPlace(`${other.pointer}/${name}`);
    const own = `${entry.pointer}/${name}`;
    if (Object.hasOwn(entry.value, name)) {
      notices.push({ place, message: `"${name}" is not read here: ${placeText(document.keyPlace(own))} is` });
    } else {
      const related = document.place(entry.pointer);
      const what = `"${name}" would be lost: of this list only ${placeText(related)} is read; allowed is "${name}" in that entry`;
      problems.push(problem(place, `"${name}"`, what, related));
    }
  }
  return { problems, notices };
}

/** In a list without cilium-cni: entries that were probably meant to be it, and whose settings would be lost. */
function missedEntries(document: JsonDocument, root: JsonObject, plugins: readonly JsonObject[]): Problem[] {
  return plugins.flatMap((plugin, at) => {
    const { type } = plugin;
    const pointer = `/plugins/${at}`;
    const misspelt = typeof type === "string" && editDistance(plain(type), plain(PLUGIN_TYPE)) <= 2;
    // Other plugins have an "ipam", too.
    const lost = (["eni", "bgp", "fleet"] as const).find(
      (name) => Object.hasOwn(plugin, name) && !Object.hasOwn(root, name),
    );
    if (!misspelt && lost === undefined) return [];
    if (type === undefined) {
      const what = `the entry has no "type", so its "${lost}" would be lost; allowed is "${PLUGIN_TYPE}"`;
      return [problem(document.place(pointer), "", what)];
    }
    const spelled = document.spelling(`${pointer}/type`);
    const why = misspelt ? `did you mean "${PLUGIN_TYPE}"?` : `its "${lost}" would be lost`;
    const what = `${spelled} is not the type of an entry that is read: ${why}; allowed is "${PLUGIN_TYPE}"`;
    return [problem(document.place(`${pointer}/type`), spelled, what)];
  });
}

export function asObject(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}
