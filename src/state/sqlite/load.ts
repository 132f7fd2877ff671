import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import type {
  FixedRecord,
  FleetProfile,
  Intent,
  InterfaceRecord,
  StoredOverride,
  StoredState,
} from "../../manager/ports/index.ts";
import type { Block, BlockKind, Cooling, Lease } from "../../pool/index.ts";
import { copyBlock } from "../record-copies.ts";

type Row = Record<string, SQLOutputValue>;

/** Reads the whole state. Every list is in the order of its key, cooling in the order in which it ends. */
export function loadState(database: DatabaseSync): StoredState {
  const rows = (sql: string): Row[] => database.prepare(sql).all();
  const meta = rows("SELECT * FROM meta WHERE id = 1")[0] ?? {};
  const configuration = rows("SELECT * FROM configuration WHERE id = 1")[0];
  const resolution = rows("SELECT * FROM resolution WHERE id = 1")[0];
  const fixed = rows("SELECT * FROM fixed ORDER BY pod").map(toFixed);
  const profiles = rows("SELECT * FROM profiles ORDER BY position").map(toProfile);
  return {
    bootId: text(meta, "boot_id"),
    instanceId: text(meta, "instance_id"),
    leases: rows("SELECT * FROM leases ORDER BY address").map(toLease),
    cooling: rows("SELECT * FROM cooling ORDER BY until_ms, address").map(toCooling),
    interfaces: rows("SELECT * FROM interfaces ORDER BY id").map(toInterface),
    blocks: rows("SELECT * FROM blocks ORDER BY cidr").map(toBlock),
    intents: rows("SELECT * FROM intents ORDER BY opened_at_ms, id").map(toIntent),
    overrides: Object.fromEntries(rows("SELECT * FROM overrides ORDER BY name").map(toOverride)),
    configuration:
      configuration === undefined
        ? undefined
        : {
            file: text(configuration, "file"),
            text: text(configuration, "text"),
            readAtMs: number(configuration, "read_at_ms"),
          },
    ...(resolution === undefined
      ? {}
      : {
          resolution: {
            selection: text(resolution, "selection"),
            subnetIds: JSON.parse(text(resolution, "subnet_ids")),
          },
        }),
    ...(fixed.length === 0 ? {} : { fixed }),
    ...(profiles.length === 0 ? {} : { profiles }),
  };
}

function toLease(row: Row): Lease {
  return {
    address: text(row, "address"),
    ...(row.ipv6_address === null ? {} : { ipv6Address: text(row, "ipv6_address") }),
    attachment: {
      network: text(row, "network"),
      containerId: text(row, "container_id"),
      interfaceName: text(row, "interface_name"),
    },
    pod: { namespace: text(row, "pod_namespace"), name: text(row, "pod_name"), uid: text(row, "pod_uid") },
    leasedAtMs: number(row, "leased_at_ms"),
    ...(row.sandbox_path === null
      ? {}
      : {
          sandbox: {
            path: text(row, "sandbox_path"),
            identity: text(row, "sandbox_identity"),
            folder: text(row, "sandbox_folder"),
          },
        }),
  };
}

function toCooling(row: Row): Cooling {
  return { address: text(row, "address"), untilMs: number(row, "until_ms") };
}

function toInterface(row: Row): InterfaceRecord {
  return {
    id: text(row, "id"),
    mac: text(row, "mac"),
    deviceIndex: number(row, "device_index"),
    networkCard: number(row, "network_card"),
    subnetId: text(row, "subnet_id"),
    subnetCidr: text(row, "subnet_cidr"),
    primaryAddress: text(row, "primary_address"),
    securityGroups: JSON.parse(text(row, "security_groups")),
    attachmentId: text(row, "attachment_id"),
    madeBy: text(row, "made_by") === "enid" ? "enid" : "other",
    foreign: number(row, "is_foreign") === 1,
    ...(row.foreign_because === null ? {} : { foreignBecause: text(row, "foreign_because") }),
  };
}

function toBlock(row: Row): Block {
  // The schema admits the kinds only.
  return copyBlock({
    cidr: text(row, "cidr"),
    interfaceId: text(row, "interface_id"),
    kind: text(row, "kind") as BlockKind,
    found: number(row, "is_found") === 1,
    lost: number(row, "is_lost") === 1,
  });
}

function toIntent(row: Row): Intent {
  return {
    id: text(row, "id"),
    step: JSON.parse(text(row, "step")),
    openedAtMs: number(row, "opened_at_ms"),
    before: JSON.parse(text(row, "before")),
    securityGroups: JSON.parse(text(row, "security_groups")),
    deleteOnTermination: number(row, "delete_on_termination") === 1,
    ...(row.tags === null ? {} : { tags: JSON.parse(text(row, "tags")) }),
    ...(row.interface_id === null ? {} : { interfaceId: text(row, "interface_id") }),
    ...(row.attachment_id === null ? {} : { attachmentId: text(row, "attachment_id") }),
  };
}

function toOverride(row: Row): [string, StoredOverride] {
  return [text(row, "name"), { value: JSON.parse(text(row, "value")), setAtMs: number(row, "set_at_ms") }];
}

function toFixed(row: Row): FixedRecord {
  return {
    pod: text(row, "pod"),
    address: text(row, "address"),
    subnetId: text(row, "subnet_id"),
    zone: text(row, "zone"),
    epoch: number(row, "epoch"),
    holder: text(row, "holder"),
    holderName: text(row, "holder_name"),
    // The schema admits the states only.
    state: text(row, "state") as FixedRecord["state"],
    keepMs: number(row, "keep_ms"),
    ...(row.expires_at_ms === null ? {} : { expiresAtMs: number(row, "expires_at_ms") }),
  };
}

function toProfile(row: Row): FleetProfile {
  return {
    name: text(row, "name"),
    match: JSON.parse(text(row, "match")),
    values: JSON.parse(text(row, "values")),
    setAtMs: number(row, "set_at_ms"),
  };
}

function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new Error(`column ${column} holds ${String(value)} where text was expected`);
  return value;
}

function number(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== "number") throw new Error(`column ${column} holds ${String(value)} where a number was expected`);
  return value;
}
