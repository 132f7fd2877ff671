import type { JsonDocument } from "./document.ts";
import { rangeFaults } from "./pod-cidrs.ts";
import { type Problem, placeText, problem } from "./problems.ts";
import { settingErrors } from "./schema.ts";
import { asObject, type JsonObject, type Section } from "./section.ts";

/** Faults between values of the section; a value that its own schema refuses takes no part. */
export function crossProblems(document: JsonDocument, section: Section): Problem[] {
  const eni = asObject(section.value.eni) ?? {};
  const ipam = asObject(section.value.ipam) ?? {};
  return [
    ...rangeProblems(document, section, ipam),
    ...bothWorlds(document, section, eni, ipam),
    ...rangesOfOneFamily(document, section, ipam),
    ...prefixesAskedAndForbidden(document, section, eni),
    ...allocateOrder(document, section, eni, ipam),
  ];
}

function rangeProblems(document: JsonDocument, section: Section, ipam: JsonObject): Problem[] {
  if (!Array.isArray(ipam.podCIDRs)) return [];
  const ranges: readonly (string | undefined)[] = ipam.podCIDRs.map((cidr) =>
    settingErrors("podCIDRs", [cidr]).length === 0 ? cidr : undefined,
  );
  const base = `${section.pointer}/ipam/podCIDRs`;
  return rangeFaults(ranges).map((fault) => {
    const pointer = `${base}/${fault.at}`;
    const spelled = document.spelling(pointer);
    const related = fault.with === undefined ? undefined : document.place(`${base}/${fault.with}`);
    const where = related === undefined ? "" : ` at ${placeText(related)}; allowed are ranges that do not overlap`;
    return problem(document.place(pointer), spelled, `${spelled} ${fault.what}${where}`, related);
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

function rangesOfOneFamily(document: JsonDocument, section: Section, ipam: JsonObject): Problem[] {
  const families = ipam["ip-families"];
  if (!Array.isArray(ipam.podCIDRs) || ipam.podCIDRs.length === 0) return [];
  if (families !== "ipv6" && families !== "dual") return [];
  const related = document.keyPlace(`${section.pointer}/ipam/podCIDRs`);
  const pointer = `${section.pointer}/ipam/ip-families`;
  const spelled = document.spelling(pointer);
  const what = `${spelled} asks for IPv6 addresses, while podCIDRs at ${placeText(related)} gives IPv4 ranges; allowed beside podCIDRs is "ipv4"`;
  return [problem(document.place(pointer), spelled, what, related)];
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
