import { defaultSettings } from "./defaults.ts";
import type { JsonDocument } from "./document.ts";
import { type Problem, placeText, problem } from "./problems.ts";
import { RELATED, relations } from "./relations.ts";
import { settingErrors, settingNames, settingSchema } from "./schema.ts";
import { asObject, type JsonObject, type Section } from "./section.ts";
import type { SettingName, SettingValues } from "./types.ts";
import { valueFaults } from "./value-faults.ts";

/** Faults between values of the section; a value that its own schema refuses takes no part. */
export function crossProblems(document: JsonDocument, section: Section): Problem[] {
  const eni = asObject(section.value.eni) ?? {};
  const ipam = asObject(section.value.ipam) ?? {};
  return [
    ...valueProblems(document, section),
    ...relationProblems(document, section),
    ...bothWorlds(document, section, eni, ipam),
    ...unusedIpv6Range(document, section, ipam),
    ...prefixesAskedAndForbidden(document, section, eni),
    ...allocateOrder(document, section, eni, ipam),
  ];
}

/** Faults within a value that the schema of its setting does not see. */
function valueProblems(document: JsonDocument, section: Section): Problem[] {
  return stated(section, settingNames).flatMap(({ name, base, value }) =>
    valueFaults(name, value).map((fault) => {
      const place = document.place(base + fault.at);
      const spelled = document.spelling(base + fault.at);
      const related = fault.with === undefined ? undefined : document.place(base + fault.with);
      const where = related === undefined ? "" : ` at ${placeText(related)}`;
      return problem(place, spelled, `${spelled} ${fault.what}${where}; ${fault.allowed}`, related);
    }),
  );
}

/** Faults between settings that each are in order; the file stands for itself, so what it does not say has its default. */
function relationProblems(document: JsonDocument, section: Section): Problem[] {
  const said = stated(section, RELATED);
  if (said.some(({ name, value }) => settingErrors(name, value).length > 0 || valueFaults(name, value).length > 0)) {
    return [];
  }
  const values = { ...defaultSettings, ...Object.fromEntries(said.map(({ name, value }) => [name, value])) };
  const base = (name: SettingName) => said.find((one) => one.name === name)?.base;
  return relations(values as SettingValues, (name) => base(name) !== undefined).map(({ name, at, other, what }) => {
    const pointer = `${base(name)}${at}`;
    const spelled = document.spelling(pointer);
    const otherBase = other === undefined ? undefined : base(other);
    const related = otherBase === undefined ? undefined : document.keyPlace(otherBase);
    const where = related === undefined ? String(other) : `${other} at ${placeText(related)}`;
    return problem(document.place(pointer), spelled, `${spelled} ${what(where)}`, related);
  });
}

interface Stated {
  readonly name: SettingName;
  /** JSON pointer of the value. */
  readonly base: string;
  readonly value: unknown;
}

/** Those of the settings that `ipam`, `bgp`, `fleet` and `kubernetes` say. */
function stated(section: Section, names: readonly SettingName[]): Stated[] {
  return names.flatMap((name): Stated[] => {
    const owner = settingSchema(name).section;
    const holder = owner === "eni" ? undefined : asObject(section.value[owner]);
    if (holder === undefined || !Object.hasOwn(holder, name)) return [];
    return [{ name, base: `${section.pointer}/${owner}/${name}`, value: holder[name] }];
  });
}

/** A node takes its addresses from EC2 or has ranges of its own; a file that says both is a mix-up of two nodes. */
function bothWorlds(document: JsonDocument, section: Section, eni: JsonObject, ipam: JsonObject): Problem[] {
  const cidrs = ipam.podCIDRs;
  if (!Array.isArray(cidrs) || cidrs.length === 0 || Object.keys(eni).length === 0) return [];
  const related = document.keyPlace(`${section.pointer}/eni`);
  const pointer = `${section.pointer}/ipam/podCIDRs`;
  const spelled = document.spelling(pointer);
  const what = `${spelled} gives the node ranges of its own, while "eni" at ${placeText(related)} takes addresses from EC2; allowed is one of the two`;
  return [problem(document.keyPlace(pointer), spelled, what, related)];
}

/** An IPv6 range was surely written for pods to have; that ip-families is "ipv4" by default was then forgotten. */
function unusedIpv6Range(document: JsonDocument, section: Section, ipam: JsonObject): Problem[] {
  if (!Array.isArray(ipam.podCIDRs) || Object.hasOwn(ipam, "ip-families")) return [];
  const texts = ipam.podCIDRs.map(String);
  const at = texts.findIndex((cidr) => cidr.includes(":"));
  // Without an IPv4 range, the lack of it is told.
  if (at === -1 || texts.every((cidr) => cidr.includes(":"))) return [];
  if (settingErrors("podCIDRs", ipam.podCIDRs).length > 0) return [];
  const pointer = `${section.pointer}/ipam/podCIDRs/${at}`;
  const spelled = document.spelling(pointer);
  const what = `${spelled} is an IPv6 range, while ip-families is "ipv4" by default; allowed is it together with "ip-families": "dual", "ipv6", or "ipv4" to leave it unused`;
  return [problem(document.place(pointer), spelled, what)];
}

function prefixesAskedAndForbidden(document: JsonDocument, section: Section, eni: JsonObject): Problem[] {
  const mode = eni["prefix-delegation"];
  if (eni["disable-prefix-delegation"] !== true || (mode !== "preferred" && mode !== "required")) return [];
  const related = document.place(`${section.pointer}/eni/disable-prefix-delegation`);
  const pointer = `${section.pointer}/eni/prefix-delegation`;
  const spelled = document.spelling(pointer);
  const what = `${spelled} asks for the prefixes that disable-prefix-delegation at ${placeText(related)} forbids; allowed is one of the two`;
  return [problem(document.place(pointer), spelled, what, related)];
}

function allocateOrder(document: JsonDocument, section: Section, eni: JsonObject, ipam: JsonObject): Problem[] {
  const max = ipam["max-allocate"];
  const holder = Object.hasOwn(ipam, "min-allocate") ? "ipam" : "eni";
  const min = (holder === "ipam" ? ipam : eni)["min-allocate"];
  if (typeof max !== "number" || typeof min !== "number" || max <= 0 || max >= min) return [];
  const related = document.place(`${section.pointer}/${holder}/min-allocate`);
  const pointer = `${section.pointer}/ipam/max-allocate`;
  const spelled = document.spelling(pointer);
  const what = `${spelled} is below min-allocate ${min} at ${placeText(related)}; allowed is 0 (no limit) or at least min-allocate`;
  return [problem(document.place(pointer), spelled, what, related)];
}
