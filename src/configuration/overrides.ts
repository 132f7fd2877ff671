import { EnidError } from "../errors.ts";
import { partAt, printable } from "./problems.ts";
import { isSettingName, type KeySchema, settingErrors, settingNames, settingSchema } from "./schema.ts";
import { allowedBy, meantWord, unknownPart, whatIsWrong } from "./schema-problems.ts";
import { nearest } from "./suggestion.ts";
import type { SettingName } from "./types.ts";
import { canonical, valueFaults } from "./value-faults.ts";

/** One setting and its new value, as `enid set` takes them. */
export interface Override {
  readonly name: SettingName;
  readonly value: unknown;
}

const TEXT_LIMIT_CHARACTERS = 64 * 1024;

/** The setting of that name. Throws ENID_SETTING_UNKNOWN, which names the one that was probably meant. */
export function settingName(text: string): SettingName {
  if (isSettingName(text)) return text;
  const meant = nearest(text, settingNames);
  const suggestion = meant === undefined ? `; settings are ${settingNames.join(", ")}` : `; did you mean ${meant}?`;
  throw new EnidError("ENID_SETTING_UNKNOWN", { name: printable(JSON.stringify(text)), suggestion });
}

/**
 * Reads "pre-allocate=16". Lists are JSON or "a,b", maps are JSON or "k=v,k2=v2"; nothing after "=" is an empty list or map.
 * Throws ENID_SETTING_UNKNOWN or ENID_SETTING_INVALID. Whether the value goes with the other settings is for checkSettings.
 */
export function parseOverride(text: string): Override {
  const at = text.indexOf("=");
  const name = settingName((at === -1 ? text : text.slice(0, at)).trim());
  const schema = settingSchema(name);
  if (at === -1) throw refuse(name, "nothing", `write ${name}=VALUE; allowed is ${schema.allowed}`);
  const valueText = text.slice(at + 1).trim();
  if (valueText.length > TEXT_LIMIT_CHARACTERS) {
    throw refuse(name, valueText, `it has ${valueText.length} characters; allowed are ${TEXT_LIMIT_CHARACTERS}`);
  }
  const value = parseValue(schema, name, valueText);
  checkValue(name, value, valueText);
  return { name, value: canonical(name, value) };
}

function parseValue(schema: KeySchema, name: SettingName, text: string): unknown {
  switch (schema.type) {
    case "integer":
      return /^[+-]?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
    case "boolean":
      return text === "true" ? true : text === "false" ? false : text;
    case "array":
      if (text.startsWith("[")) return parseJson(schema, name, text);
      return text === "" ? [] : text.split(",").map((entry) => entry.trim());
    case "object":
      return text.startsWith("{") ? parseJson(schema, name, text) : parsePairs(schema, name, text);
    default:
      return text;
  }
}

function parseJson(schema: KeySchema, name: SettingName, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const detail = printable(error instanceof Error ? error.message : String(error), 200);
    throw refuse(name, text, `it is not JSON (${detail}); allowed is ${schema.allowed}`);
  }
}

function parsePairs(schema: KeySchema, name: SettingName, text: string): unknown {
  const pairs = new Map<string, string>();
  for (const pair of text === "" ? [] : text.split(",")) {
    const at = pair.indexOf("=");
    const key = pair.slice(0, at).trim();
    if (at === -1) {
      throw refuse(name, text, `${quoted(pair)} is not KEY=VALUE; allowed is ${schema.allowed}, or k=v,k2=v2`);
    }
    if (pairs.has(key)) throw refuse(name, text, `key ${quoted(key)} stands in it twice; allowed is once`);
    pairs.set(key, pair.slice(at + 1).trim());
  }
  return Object.fromEntries(pairs);
}

function checkValue(name: SettingName, value: unknown, text: string): void {
  const [error] = settingErrors(name, value);
  if (error !== undefined) {
    if (error.params.additionalProperty !== undefined) {
      throw refuse(name, text, unknownPart(error, error.params.additionalProperty));
    }
    const inside = error.propertyName ?? (error.instancePath === "" ? undefined : error.data);
    const meant = meantWord(error, error.data);
    const hint = meant === undefined ? "" : `did you mean ${meant}?; `;
    const what = inside === undefined ? hint : `${quoted(inside)} in it ${whatIsWrong(error, inside)}; `;
    throw refuse(name, text, `${what}allowed is ${allowedBy(error)}`);
  }
  const [fault] = valueFaults(name, value);
  if (fault === undefined) return;
  const part = partAt(value, fault.at);
  const subject = part === value ? "it" : typeof part === "string" ? part : quoted(part);
  throw refuse(name, text, `${subject} ${fault.what}; ${fault.allowed}`);
}

function quoted(value: unknown): string {
  return printable(JSON.stringify(value));
}

function refuse(name: SettingName, value: string, allowed: string): EnidError {
  return new EnidError("ENID_SETTING_INVALID", { name, value: value === "" ? '""' : printable(value), allowed });
}
