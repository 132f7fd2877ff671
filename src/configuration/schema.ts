import { Ajv2020, type AnySchemaObject, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import bgp from "../../schemas/bgp.schema.json" with { type: "json" };
import definitions from "../../schemas/definitions.schema.json" with { type: "json" };
import eni from "../../schemas/eni.schema.json" with { type: "json" };
import eniConfiguration from "../../schemas/eni-configuration.schema.json" with { type: "json" };
import fleet from "../../schemas/fleet.schema.json" with { type: "json" };
import ipam from "../../schemas/ipam.schema.json" with { type: "json" };
import kubernetes from "../../schemas/kubernetes.schema.json" with { type: "json" };
import networkConfiguration from "../../schemas/network-configuration.schema.json" with { type: "json" };
import networkConfigurationList from "../../schemas/network-configuration-list.schema.json" with { type: "json" };
import type { SettingName } from "./types.ts";

/** What a key of `eni`, `ipam`, `bgp`, `fleet` or `kubernetes` is to enid; the annotation "x-enid" in the schemas. */
export type Role =
  /** A setting: it has a default, an origin, and can be overridden. */
  | "setting"
  /** A fact about the node; instance metadata wins. */
  | "fact"
  /** An obsolete spelling in `eni` of a setting of `ipam`. */
  | "moved"
  /** Cilium's; enid does not read it. */
  | "unread"
  | "other";

/** One key of `eni`, `ipam`, `bgp`, `fleet` or `kubernetes` as the schema describes it. */
export interface KeySchema {
  readonly section: SectionName;
  readonly key: string;
  readonly role: Role;
  readonly title: string;
  readonly description: string;
  readonly default: unknown;
  readonly examples: readonly unknown[];
  /** Completes "allowed is ..."; undefined for a key that is not read. */
  readonly allowed: string | undefined;
  /** JSON type of the value; undefined for a key that is not read. */
  readonly type: "integer" | "boolean" | "array" | "object" | "string" | undefined;
}

export type SectionName = "eni" | "ipam" | "bgp" | "fleet" | "kubernetes";

/** The sections that enid reads. */
export const SECTIONS: readonly SectionName[] = ["eni", "ipam", "bgp", "fleet", "kubernetes"];

interface Definition {
  readonly title: string;
  readonly type: NonNullable<KeySchema["type"]>;
}

const DEFINITIONS: Readonly<Record<string, Definition>> = definitions.$defs as Record<string, Definition>;

function keysOf(section: SectionName, schema: { readonly properties: object }): readonly KeySchema[] {
  return Object.entries(schema.properties).map(([key, property]) => {
    const definition = DEFINITIONS[String(property.$ref ?? "").replace(/^.*\//, "")];
    return {
      section,
      key,
      role: property["x-enid"],
      title: property.title,
      description: property.description,
      default: property.default,
      examples: property.examples,
      allowed: definition?.title,
      type: definition?.type,
    };
  });
}

/** All keys of `eni`, `ipam`, `bgp`, `fleet` and `kubernetes`, in the order of the schemas. */
export const keySchemas: readonly KeySchema[] = [
  ...keysOf("eni", eni),
  ...keysOf("ipam", ipam),
  ...keysOf("bgp", bgp),
  ...keysOf("fleet", fleet),
  ...keysOf("kubernetes", kubernetes),
];

/** A key of an object within a setting, as the schema describes it. */
export interface PartKey {
  readonly key: string;
  readonly required: boolean;
  readonly allowed: string;
  readonly description: string;
  readonly examples: readonly unknown[];
}

interface Part {
  readonly required: readonly string[];
  readonly properties: Readonly<
    Record<
      string,
      {
        readonly title?: string;
        readonly $ref?: string;
        readonly description: string;
        readonly examples: readonly unknown[];
      }
    >
  >;
}

/** The objects that settings are made of, by what they are called. */
export const partKeys: Readonly<Record<string, readonly PartKey[]>> = {
  "an uplink": keysOfPart(definitions.$defs.uplink),
  "a rule of `fixed`": keysOfPart(definitions.$defs.fixedRule),
  "a bucket of `budget-buckets`": keysOfPart(definitions.$defs.budgetBucket),
};

function keysOfPart({ properties, required }: Part): readonly PartKey[] {
  return Object.entries(properties).map(([key, { title, $ref = "", description, examples }]) => ({
    key,
    required: required.includes(key),
    allowed: title ?? DEFINITIONS[$ref.replace(/^.*\//, "")]?.title ?? "",
    description,
    examples,
  }));
}

/** Keys that a configuration of cilium-cni may have, the sections among them: CNI's and Cilium's. */
export const pluginKeys: readonly string[] = Object.keys(networkConfiguration.properties);

const settingKeys = new Map(keySchemas.filter(({ role }) => role === "setting").map((schema) => [schema.key, schema]));

/** Names of all settings: those of `eni`, of `ipam`, of `bgp`, of `fleet`, of `kubernetes`. The test of the schemas holds them equal to SettingValues. */
export const settingNames: readonly SettingName[] = [...settingKeys.keys()] as SettingName[];

export function isSettingName(text: string): text is SettingName {
  return settingKeys.has(text);
}

export function settingSchema(name: SettingName): KeySchema {
  const schema = settingKeys.get(name);
  if (schema === undefined) throw new TypeError(`no schema for setting ${name}`);
  return schema;
}

export type SchemaName = "network-configuration" | "network-configuration-list" | "eni-configuration";

/** The faults that the schema finds in the value; none means valid. */
export function schemaErrors(name: SchemaName, value: unknown): readonly ErrorObject[] {
  return errorsOf(validator(`${name}.schema.json`), value);
}

/** The faults of a value for one setting. */
export function settingErrors(name: SettingName, value: unknown): readonly ErrorObject[] {
  const { section } = settingSchema(name);
  return errorsOf(validator(`${section}.schema.json#/properties/${name}`), value);
}

function errorsOf(validate: ValidateFunction, value: unknown): readonly ErrorObject[] {
  validate(value);
  // "if" and "propertyNames" only say that something inside them failed, which has its own entry.
  return (validate.errors ?? []).filter(({ keyword }) => keyword !== "if" && keyword !== "propertyNames");
}

let ajv: Ajv2020 | undefined;

/** Schemas are compiled on first use: a command that reads no configuration does not wait for it. */
function validator(reference: string): ValidateFunction {
  ajv ??= makeAjv();
  const validate = ajv.getSchema(reference);
  if (validate === undefined) throw new TypeError(`no schema ${reference}`);
  return validate;
}

function makeAjv(): Ajv2020 {
  // validateSchema is off because a test validates the schemas against draft 2020-12; at run time it only costs start-up.
  const instance = new Ajv2020({
    allErrors: true,
    verbose: true,
    strict: true,
    validateSchema: false,
    ownProperties: true,
  });
  instance.addKeyword("x-enid");
  const all: readonly AnySchemaObject[] = [
    definitions,
    eni,
    ipam,
    bgp,
    fleet,
    kubernetes,
    networkConfiguration,
    networkConfigurationList,
    eniConfiguration,
  ];
  for (const schema of all) instance.addSchema(schema);
  return instance;
}
