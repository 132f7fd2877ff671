import type { Migration } from "./index.ts";

/** Times are wall milliseconds since the epoch. JSON only where a value has a form of its own. */
export const firstSchema: Migration = {
  version: 1,
  apply(database) {
    database.exec(`
      CREATE TABLE meta (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        boot_id TEXT NOT NULL,
        instance_id TEXT NOT NULL
      ) STRICT;
      INSERT INTO meta (id, boot_id, instance_id) VALUES (1, '', '');

      CREATE TABLE interfaces (
        id TEXT PRIMARY KEY,
        mac TEXT NOT NULL,
        device_index INTEGER NOT NULL,
        network_card INTEGER NOT NULL,
        subnet_id TEXT NOT NULL,
        subnet_cidr TEXT NOT NULL,
        primary_address TEXT NOT NULL,
        security_groups TEXT NOT NULL CHECK (json_type(security_groups) = 'array'),
        attachment_id TEXT NOT NULL,
        made_by TEXT NOT NULL CHECK (made_by IN ('enid', 'other')),
        is_foreign INTEGER NOT NULL CHECK (is_foreign IN (0, 1))
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE blocks (
        cidr TEXT PRIMARY KEY,
        interface_id TEXT NOT NULL REFERENCES interfaces (id) ON DELETE CASCADE,
        kind TEXT NOT NULL CHECK (kind IN ('address', 'prefix', 'node-cidr'))
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX blocks_by_interface ON blocks (interface_id);

      -- One lease per address, one per attachment: the schema itself refuses a second one.
      CREATE TABLE leases (
        address TEXT PRIMARY KEY,
        network TEXT NOT NULL,
        container_id TEXT NOT NULL,
        interface_name TEXT NOT NULL,
        pod_namespace TEXT NOT NULL,
        pod_name TEXT NOT NULL,
        pod_uid TEXT NOT NULL,
        leased_at_ms INTEGER NOT NULL,
        UNIQUE (container_id, interface_name, network)
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE cooling (
        address TEXT PRIMARY KEY,
        until_ms INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE intents (
        id TEXT PRIMARY KEY,
        step TEXT NOT NULL CHECK (json_type(step) = 'object'),
        opened_at_ms INTEGER NOT NULL,
        before TEXT NOT NULL CHECK (json_type(before) = 'array'),
        security_groups TEXT NOT NULL CHECK (json_type(security_groups) = 'array'),
        delete_on_termination INTEGER NOT NULL CHECK (delete_on_termination IN (0, 1)),
        interface_id TEXT,
        attachment_id TEXT
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE overrides (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL CHECK (json_valid(value)),
        set_at_ms INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE configuration (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        file TEXT NOT NULL,
        text TEXT NOT NULL,
        read_at_ms INTEGER NOT NULL
      ) STRICT;
    `);
  },
};
