/** JSON Schemas (draft 2020-12) of everything that people write for the simulator: model files and control requests. */

const TAGS = { type: "object", maxProperties: 50, additionalProperties: { type: "string", maxLength: 256 } } as const;
const ADDRESS = { type: "string", pattern: "^\\d{1,3}(\\.\\d{1,3}){3}$" } as const;
const CIDR = { type: "string", pattern: "^\\d{1,3}(\\.\\d{1,3}){3}/\\d{1,2}$" } as const;
const ADDRESS_OR_CIDR = { type: "string", pattern: "^\\d{1,3}(\\.\\d{1,3}){3}(/\\d{1,2})?$" } as const;
const ADDRESS6 = { type: "string", pattern: "^[0-9a-f:]{2,39}$" } as const;
const CIDR6 = { type: "string", pattern: "^[0-9a-f:]{2,39}/\\d{1,3}$" } as const;
const ANY_CIDR = { type: "string", pattern: "^[0-9a-f:.]{2,39}/\\d{1,3}$" } as const;
const ACCOUNT = { type: "string", pattern: "^\\d{12}$" } as const;
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

/** What the picture of an instance's metadata may lack. */
export const METADATA_VIEW_SCHEMA = record({
  missing: list(id("eni")),
  bare: list(id("eni")),
  partial: list({ anyOf: [id("eni"), { const: "*" }] }),
  frozen: { type: "boolean" },
});

const ACTION_PATTERN = { type: "string", pattern: "^[A-Za-z0-9]{0,64}\\*?$", minLength: 1 } as const;

export const ACCOUNT_PATCH_SCHEMA = record({ deniedActions: list(ACTION_PATTERN) }, ["deniedActions"]);

/** What an interface is, wherever it comes from. */
const INTERFACE_FACTS = {
  id: id("eni"),
  subnet: id("subnet"),
  primaryAddress: ADDRESS,
  secondaryAddresses: list(ADDRESS),
  prefixes: list(CIDR),
  ipv6Addresses: list(ADDRESS6),
  ipv6Prefixes: list(CIDR6),
  securityGroups: list(id("sg")),
  description: { type: "string", maxLength: 255 },
  interfaceType: { type: "string", maxLength: 64 },
  requesterId: { type: "string", maxLength: 128 },
  requesterManaged: { type: "boolean" },
  operator: { type: "string", minLength: 1, maxLength: 128 },
  tags: TAGS,
} as const;

/** Where it hangs. */
const PLACE = {
  deviceIndex: { type: "integer", minimum: 0, maximum: 255 },
  networkCard: { type: "integer", minimum: 0, maximum: 63 },
  deleteOnTermination: { type: "boolean" },
} as const;

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
    ipv6Addresses: list(ADDRESS6),
    ipv6Prefixes: list(CIDR6),
    interfaceTags: TAGS,
    interfaces: list(record({ ...INTERFACE_FACTS, ...PLACE }, ["deviceIndex"])),
    imageId: id("ami"),
    role: { type: "string", pattern: "^[\\w+=,.@-]{1,64}$" },
    metadata: METADATA_SCHEMA,
  },
  ["type", "subnet"],
);

export const INTERFACE_SCHEMA = record(
  {
    ...INTERFACE_FACTS,
    attachment: record({ instance: id("i"), ...PLACE }, ["instance", "deviceIndex"]),
  },
  ["subnet"],
);

export const INTERFACE_PATCH_SCHEMA = record({
  tags: TAGS,
  securityGroups: list(id("sg")),
  description: { type: "string", maxLength: 255 },
  deleteOnTermination: { type: "boolean" },
});

const ROUTE = record({ destination: CIDR, target: { type: "string", minLength: 1, maxLength: 64 } }, [
  "destination",
  "target",
]);

const SUBNET = record(
  {
    id: id("subnet"),
    vpc: id("vpc"),
    cidr: CIDR,
    ipv6Cidr: CIDR6,
    zone: { type: "string", maxLength: 64 },
    tags: TAGS,
    reservations: list(
      record(
        {
          id: id("scr"),
          cidr: ANY_CIDR,
          type: { enum: ["prefix", "explicit"] },
          description: { type: "string", maxLength: 255 },
          tags: TAGS,
        },
        ["cidr", "type"],
      ),
    ),
    fragmented: { type: "boolean" },
    used: { anyOf: [COUNT, list(ADDRESS_OR_CIDR)] },
  },
  ["id", "vpc", "cidr", "zone"],
);

const VPC = record(
  {
    id: id("vpc"),
    cidrs: list(CIDR, { minItems: 1, maxItems: 50 }),
    ipv6Cidrs: list(CIDR6, { maxItems: 5 }),
    tags: TAGS,
    isDefault: { type: "boolean" },
  },
  ["id", "cidrs"],
);

const SECURITY_GROUP = record(
  {
    id: id("sg"),
    vpc: id("vpc"),
    name: { type: "string", maxLength: 255 },
    description: { type: "string", maxLength: 255 },
    tags: TAGS,
  },
  ["id", "vpc"],
);

const ROUTE_TABLE = record(
  {
    id: id("rtb"),
    vpc: id("vpc"),
    main: { type: "boolean" },
    subnets: list(id("subnet")),
    routes: list(ROUTE),
    tags: TAGS,
  },
  ["id", "vpc"],
);

/** What one account has. */
const ACCOUNT_CONTENT = {
  account: ACCOUNT,
  accessKeyIds: list({ type: "string", pattern: "^[A-Za-z0-9]{1,128}$" }),
  deniedActions: list(ACTION_PATTERN),
  vpcs: list(VPC, { minItems: 1 }),
  subnets: list(SUBNET, { minItems: 1 }),
  securityGroups: list(SECURITY_GROUP),
  routeTables: list(ROUTE_TABLE),
  instances: list(INSTANCE_SCHEMA),
  interfaces: list(INTERFACE_SCHEMA),
} as const;

export const MODEL_SCHEMA = record(
  {
    $schema: { type: "string" },
    region: { type: "string", pattern: "^[a-z]{2}(-[a-z]+)+-\\d$" },
    ...ACCOUNT_CONTENT,
    accounts: list(record(ACCOUNT_CONTENT, ["account", "vpcs", "subnets"]), { maxItems: 100 }),
    settings: SETTINGS_SCHEMA,
  },
  ["region", "account", "vpcs", "subnets"],
);

const CALL_SETTINGS = record({
  attachMs: SPAN,
  detachMs: SPAN,
  describeLagMs: SPAN,
  metadataLagMs: SPAN,
  notFoundAfterCreateMs: MS,
});

const FAULT_EFFECT = {
  type: "object",
  required: ["kind"],
  properties: { kind: { enum: ["error", "lost-reply", "reset", "truncated", "html", "latency", "hang", "settings"] } },
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
    effect("settings", { settings: CALL_SETTINGS }, ["settings"]),
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
    action: { type: "string", pattern: "^(\\*|[A-Za-z0-9]{1,64}|Metadata:/[\\w/.:-]{0,200}\\*?)$" },
    instance: id("i"),
    account: ACCOUNT,
    effect: FAULT_EFFECT,
    from: { type: "integer", minimum: 1, maximum: 1_000_000_000 },
    times: { anyOf: [{ type: "integer", minimum: 1, maximum: 1_000_000_000 }, { const: "unlimited" }] },
    probability: { type: "number", exclusiveMinimum: 0, maximum: 1 },
  },
  ["action", "effect"],
);

export const FOREIGN_CALL_SCHEMA = record(
  { action: { type: "string", minLength: 1, maxLength: 64 }, parameters: { type: "object" }, account: ACCOUNT },
  ["action"],
);

export const OCCUPATION_SCHEMA = record({ count: COUNT, addresses: list(ADDRESS_OR_CIDR) });
