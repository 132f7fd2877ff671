/** Checks what people wrote before the model sees it; a problem names its place as a JSON pointer. */
import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import { EnidError } from "../../errors.ts";
import { Accounts } from "../model/accounts.ts";
import type { InstanceDescription, InterfaceDescription, ModelDescription } from "../model/description.ts";
import type { FaultRule } from "../model/faults.ts";
import type { InterfacePatch } from "../model/foreign-hand.ts";
import type { MetadataViewPatch } from "../model/metadata/view.ts";
import type { Parameters } from "../model/parameters.ts";
import type { MetadataOptions } from "../model/records.ts";
import { applySettings, DEFAULT_SETTINGS, type SettingsPatch } from "../model/settings.ts";
import {
  ACCOUNT_PATCH_SCHEMA,
  FAULT_SCHEMA,
  FOREIGN_CALL_SCHEMA,
  INSTANCE_SCHEMA,
  INTERFACE_PATCH_SCHEMA,
  INTERFACE_SCHEMA,
  METADATA_SCHEMA,
  METADATA_VIEW_SCHEMA,
  MODEL_SCHEMA,
  OCCUPATION_SCHEMA,
  SETTINGS_SCHEMA,
} from "./schemas.ts";

export interface ForeignCall {
  readonly action: string;
  readonly parameters?: Parameters;
  readonly account?: string;
}

export interface Occupation {
  readonly count?: number;
  readonly addresses?: readonly string[];
}

export interface AccountPatch {
  readonly deniedActions: readonly string[];
}

const ajv = new Ajv2020({ allErrors: true, strictTypes: false, strictRequired: false });
const isModel = ajv.compile<ModelDescription>(MODEL_SCHEMA);
const isSettings = ajv.compile<SettingsPatch>(SETTINGS_SCHEMA);
const isInstance = ajv.compile<InstanceDescription>(INSTANCE_SCHEMA);
const isMetadataOptions = ajv.compile<Partial<MetadataOptions>>(METADATA_SCHEMA);
const isFault = ajv.compile<FaultRule>(FAULT_SCHEMA);
const isForeignCall = ajv.compile<ForeignCall>(FOREIGN_CALL_SCHEMA);
const isInterface = ajv.compile<InterfaceDescription>(INTERFACE_SCHEMA);
const isInterfacePatch = ajv.compile<InterfacePatch>(INTERFACE_PATCH_SCHEMA);
const isMetadataView = ajv.compile<MetadataViewPatch>(METADATA_VIEW_SCHEMA);
const isAccount = ajv.compile<AccountPatch>(ACCOUNT_PATCH_SCHEMA);
const isOccupation = ajv.compile<Occupation>(OCCUPATION_SCHEMA);

/** A model file's content as a description that a cloud can be built from. Errors: ENID_SIMULATOR_MODEL. */
export function loadModel(json: unknown, file: string): ModelDescription {
  const description = read(isModel, json, file);
  rehearse(description, file);
  return description;
}

/** The readers of control requests. Errors: ENID_SIMULATOR_MODEL with `source` as the file. */
export const readSettings = (json: unknown, source: string): SettingsPatch => {
  const patch = read(isSettings, json, source);
  checkSpans(patch, source);
  return patch;
};
export const readInstance = (json: unknown, source: string): InstanceDescription => read(isInstance, json, source);
export const readMetadataOptions = (json: unknown, source: string): Partial<MetadataOptions> =>
  read(isMetadataOptions, json, source);
export const readInterface = (json: unknown, source: string): InterfaceDescription => read(isInterface, json, source);
export const readInterfacePatch = (json: unknown, source: string): InterfacePatch =>
  read(isInterfacePatch, json, source);
export const readMetadataView = (json: unknown, source: string): MetadataViewPatch =>
  read(isMetadataView, json, source);
export const readAccount = (json: unknown, source: string): AccountPatch => read(isAccount, json, source);
export const readFault = (json: unknown, source: string): FaultRule => {
  const rule = read(isFault, json, source);
  if (rule.effect.kind === "settings") checkSpans(rule.effect.settings, source);
  return rule;
};
export const readForeignCall = (json: unknown, source: string): ForeignCall => read(isForeignCall, json, source);
export const readOccupation = (json: unknown, source: string): Occupation => read(isOccupation, json, source);

/** Ten hexadecimal digits that no file is likely to use. */
const FIRST_DRAWN = 0xf000000000;

/** Builds the cloud once for nothing, so that every mistake is found before anything listens. */
function rehearse(description: ModelDescription, file: string): void {
  checkSpans(description.settings ?? {}, file);
  let drawn = 0;
  const random = {
    fraction: () => 0,
    id: () => {
      drawn += 1;
      return (FIRST_DRAWN + drawn).toString(16).padEnd(32, "0");
    },
  };
  const settings = applySettings(DEFAULT_SETTINGS, description.settings ?? {});
  new Accounts(description, { settings, nowMs: 0, random }, file);
}

function checkSpans(patch: SettingsPatch, file: string): void {
  for (const [name, value] of Object.entries(patch)) {
    if (
      typeof value === "object" &&
      "minMs" in value &&
      "maxMs" in value &&
      Number(value.minMs) > Number(value.maxMs)
    ) {
      throw new EnidError("ENID_SIMULATOR_MODEL", { file, detail: `settings: ${name} has minMs above maxMs` });
    }
  }
}

function read<T>(validate: ValidateFunction<T>, json: unknown, file: string): T {
  if (validate(json)) return json;
  const problems = (validate.errors ?? []).filter(({ keyword }) => keyword !== "if" && keyword !== "anyOf");
  const detail = problems.slice(0, 5).map(describe).join("; ") || "not of the form it must have";
  throw new EnidError("ENID_SIMULATOR_MODEL", { file, detail });
}

function describe({ instancePath, message = "is wrong", params }: ErrorObject): string {
  const place = instancePath || "/";
  if ("additionalProperty" in params)
    return `${place} has the unknown key ${JSON.stringify(params.additionalProperty)}`;
  if ("allowedValues" in params) return `${place} must be one of ${JSON.stringify(params.allowedValues)}`;
  return `${place} ${message}`;
}
