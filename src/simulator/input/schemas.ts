/** JSON Schemas (draft 2020-12) of everything that people write for the simulator: model files and control requests. */

const TAGS = { type: "object", maxProperties: 50, additionalProperties: { type: "string", maxLength: 256 } } as const;
const ADDRESS = { type: "string", pattern: "^\\d{1,3}(\\.\\d{1,3}){3}$" } as const;
const CIDR = { type: "string", pattern: "^\\d{1,3}(\\.\\d{1,3}){3}/\\d{1,2}$" } as const;
const ADDRESS_OR_CIDR = { type: "string", pattern: "^\\d{1,3}(\\.\\d{1,3}){3}(/\\d{1,2})?$" } as const;
const MS = { type: "number", minimum: 0, maximum: 86_400_000 } as const;
const COUNT = { type: "integer", minimum: 0, maximum: 1_000_000 } as const;
const SPAN = {
  anyOf: [
    MS,
    { type: "object", properties: { minMs: MS, maxMs: MS }, required: ["minMs", "maxMs"], additionalProperties: false },
  ],
} as const;

function id(kind: string) {
  return { type: "string", pattern: `^${kind}-([0-9a-f]{8}|[0-9a-f]{17})$` } as const;
}

function record(properties: Record<string, object>, required: readonly string[] = []) {
  return { type: "object", properties, required, additionalProperties: false } as const;
}

function list(items: object, limits: object = {}) {
  return { type: "array", maxItems: 20_000, items, ...limits } as const;
}

export const SETTINGS_SCHEMA = record({
  speed: { type: "number", exclusiveMinimum: 0, maximum: 1_000_000 },
  latencyMs: { type: "object", maxProperties: 100, additionalProperties: MS },
  attachMs: SPAN,
  detachMs: SPAN,
  describeLagMs: SPAN,
  describeReplicas: { type: "integer", minimum: 1, maximum: 16 },
  metadataLagMs: SPAN,
  notFoundAfterCreateMs: MS,
  attachStuck: { type: "boolean" },
  detachStuck: { type: "boolean" },
  metadataOutage: { enum: ["none", "error", "hang", "reset"] },
  throttling: { type: "boolean" },
  buckets: {
    type: "object",
    maxProperties: 100,
    additionalProperties: record(
      {
        capacity: { type: "integer", minimum: 1, maximum: 1_000_000 },
        refillPerSecond: { type: "number", minimum: 0, maximum: 1_000_000 },
      },
      ["capacity", "refillPerSecond"],
    ),
  },
  interfaceQuota: COUNT,
  securityGroupsPerInterface: { type: "integer", minimum: 1, maximum: 16 },
});

export const METADATA_SCHEMA = record({
  enabled: { type: "boolean" },
  tokens: { enum: ["required", "optional"] },
  hopLimit: { type: "integer", minimum: 1, maximum: 64 },
  callerHops: { type: "integer", minimum: 1, maximum: 64 },
  instanceTags: { type: "boolean" },
});

export const INSTANCE_SCHEMA = record(
  {
    id: id("i"),
    type: { type: "string", maxLength: 64 },
    subnet: id("subnet"),
    zone: { type: "string", maxLength: 64 },
    state: { enum: ["pending", "running", "stopped"] },
    tags: TAGS,
    securityGroups: list(id("sg")),
    primaryInterface: id("eni"),
    primaryAddress: ADDRESS,
    secondaryAddresses: list(ADDRESS),
    prefixes: list(CIDR),
    imageId: id("ami"),
    role: { type: "string", pattern: "^[\\w+=,.@-]{1,64}$" },
    metadata: METADATA_SCHEMA,
  },
  ["type", "subnet"],
);

const INTERFACE_SCHEMA = record(
  {
    id: id("eni"),
    subnet: id("subnet"),
    primaryAddress: ADDRESS,
    secondaryAddresses: list(ADDRESS),
    prefixes: list(CIDR),
    securityGroups: list(id("sg")),
    description: { type: "string", maxLength: 255 },
    interfaceType: { type: "string", maxLength: 64 },
    requesterId: { type: "string", maxLength: 128 },
    requesterManaged: { type: "boolean" },
    tags: TAGS,
    attachment: record(
      {
        instance: id("i"),
        deviceIndex: { type: "integer", minimum: 1, maximum: 255 },
        networkCard: { type: "integer", minimum: 0, maximum: 63 },
        deleteOnTermination: { type: "boolean" },
      },
      ["instance", "deviceIndex"],
    ),
  },
  ["subnet"],
);

const ROUTE = record({ destination: CIDR, target: { type: "string", minLength: 1, maxLength: 64 } }, [
  "destination",
  "target",
]);

export const MODEL_SCHEMA = record(
  {
    $schema: { type: "string" },
    region: { type: "string", pattern: "^[a-z]{2}(-[a-z]+)+-\\d$" },
    account: { type: "string", pattern: "^\\d{12}$" },
    vpcs: list(
      record(
        { id: id("vpc"), cidrs: list(CIDR, { minItems: 1, maxItems: 50 }), tags: TAGS, isDefault: { type: "boolean" } },
        ["id", "cidrs"],
      ),
      { minItems: 1 },
    ),
    subnets: list(
      record(
        {
          id: id("subnet"),
          vpc: id("vpc"),
          cidr: CIDR,
          zone: { type: "string", maxLength: 64 },
          tags: TAGS,
          used: { anyOf: [COUNT, list(ADDRESS_OR_CIDR)] },
        },
        ["id", "vpc", "cidr", "zone"],
      ),
      { minItems: 1 },
    ),
    securityGroups: list(
      record(
        {
          id: id("sg"),
          vpc: id("vpc"),
          name: { type: "string", maxLength: 255 },
          description: { type: "string", maxLength: 255 },
          tags: TAGS,
        },
        ["id", "vpc"],
      ),
    ),
    routeTables: list(
      record(
        {
          id: id("rtb"),
          vpc: id("vpc"),
          main: { type: "boolean" },
          subnets: list(id("subnet")),
          routes: list(ROUTE),
          tags: TAGS,
        },
        ["id", "vpc"],
      ),
    ),
    instances: list(INSTANCE_SCHEMA),
    interfaces: list(INTERFACE_SCHEMA),
    settings: SETTINGS_SCHEMA,
  },
  ["region", "account", "vpcs", "subnets"],
);

const FAULT_EFFECT = {
  type: "object",
  required: ["kind"],
  properties: { kind: { enum: ["error", "lost-reply", "reset", "truncated", "html", "latency", "hang"] } },
  allOf: [
    effect(
      "error",
      {
        code: { type: "string", pattern: "^[A-Za-z0-9.]{1,100}$" },
        message: { type: "string", maxLength: 1_000 },
        httpStatus: { type: "integer", minimum: 400, maximum: 599 },
      },
      ["code"],
    ),
    effect("lost-reply", {}),
    effect("reset", {}),
    effect("truncated", {}),
    effect("html", { httpStatus: { type: "integer", minimum: 400, maximum: 599 } }),
    effect("latency", { delayMs: MS }, ["delayMs"]),
    effect("hang", { moment: { enum: ["before", "after"] } }),
  ],
} as const;

/** What else an effect of that kind may and must say. */
function effect(kind: string, properties: Record<string, object>, required: readonly string[] = []) {
  return {
    if: { properties: { kind: { const: kind } } },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema, not a promise.
    then: record({ kind: {}, ...properties }, required),
  };
}

export const FAULT_SCHEMA = record(
  {
    action: { type: "string", pattern: "^(\\*|[A-Za-z0-9]{1,64})$" },
    effect: FAULT_EFFECT,
    from: { type: "integer", minimum: 1, maximum: 1_000_000_000 },
    times: { anyOf: [{ type: "integer", minimum: 1, maximum: 1_000_000_000 }, { const: "unlimited" }] },
    probability: { type: "number", exclusiveMinimum: 0, maximum: 1 },
  },
  ["action", "effect"],
);

export const FOREIGN_CALL_SCHEMA = record(
  { action: { type: "string", minLength: 1, maxLength: 64 }, parameters: { type: "object" } },
  ["action"],
);

export const OCCUPATION_SCHEMA = record({ count: COUNT, addresses: list(ADDRESS_OR_CIDR) });
