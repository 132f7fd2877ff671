import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import schema from "../../../schemas/scenario.schema.json" with { type: "json" };
import type { SettingsPatch } from "../index.ts";
import type { WorkloadSpec } from "../workload/index.ts";
import type { Exhaustion, NodeGroup, Restart, SubnetGroup } from "./scenario.ts";

export const scenarioSchema = schema;

/** A file that the schema accepts. */
export interface ScenarioFile {
  readonly name: string;
  readonly description: string;
  readonly seed?: number;
  readonly hours: number;
  readonly until?: "end" | "all-ready";
  readonly nodes: readonly (Pick<NodeGroup, "count" | "type"> & Partial<NodeGroup>)[];
  readonly subnets: readonly (Pick<SubnetGroup, "cidr"> & Partial<SubnetGroup>)[];
  readonly settings?: {
    readonly eni?: Record<string, unknown>;
    readonly ipam?: Record<string, unknown>;
    readonly fleet?: Record<string, unknown>;
  };
  readonly account?: Pick<SettingsPatch, "buckets" | "interfaceQuota" | "latencyMs" | "throttling">;
  readonly cloud?: SettingsPatch;
  readonly workload?: readonly WorkloadSpec[];
  readonly restarts?: readonly (Pick<Restart, "atSeconds"> & Partial<Restart>)[];
  readonly exhaustion?: readonly (Pick<Exhaustion, "untilSeconds" | "addresses"> & Partial<Exhaustion>)[];
}

let validate: ValidateFunction<ScenarioFile> | undefined;

/** Whether the value is a scenario as far as a schema can say; `problems` says where it is not, as JSON pointers. */
export function checkSchema(
  value: unknown,
): { readonly file: ScenarioFile } | { readonly problems: readonly string[] } {
  validate ??= new Ajv2020({
    allErrors: true,
    discriminator: true,
    strictTypes: false,
    strictRequired: false,
    validateSchema: false,
    ownProperties: true,
  }).compile<ScenarioFile>(schema);
  if (validate(value)) return { file: value };
  const errors = (validate.errors ?? []).filter(({ keyword }) => keyword !== "if" && keyword !== "anyOf");
  return { problems: [...new Set(errors.map(describe))] };
}

function describe({ instancePath, message = "is wrong", params }: ErrorObject): string {
  const place = instancePath === "" ? "the file" : instancePath;
  if ("additionalProperty" in params) return `${place} has the unknown key ${quoted(params.additionalProperty)}`;
  if ("allowedValues" in params) return `${place} must be one of ${quoted(params.allowedValues)}`;
  if ("missingProperty" in params) return `${place} lacks ${quoted(params.missingProperty)}`;
  if ("tagValue" in params) return `${place} has the unknown pattern ${quoted(params.tagValue)}`;
  return `${place} ${message}`;
}

function quoted(value: unknown): string {
  return JSON.stringify(value);
}
