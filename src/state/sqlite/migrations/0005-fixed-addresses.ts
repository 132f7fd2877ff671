import type { Migration } from "./index.ts";

/** Fixed addresses that the node holds, and the settings that the fleet has for it, in their order. */
export const fixedAddresses: Migration = {
  version: 5,
  apply(database) {
    database.exec(`
      CREATE TABLE fixed (
        pod TEXT PRIMARY KEY,
        address TEXT NOT NULL,
        subnet_id TEXT NOT NULL,
        zone TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        holder TEXT NOT NULL,
        holder_name TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('parked', 'moving', 'bound')),
        keep_ms INTEGER NOT NULL,
        expires_at_ms INTEGER
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE profiles (
        position INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        match TEXT NOT NULL CHECK (json_type(match) = 'object'),
        "values" TEXT NOT NULL CHECK (json_type("values") = 'object'),
        set_at_ms INTEGER NOT NULL
      ) STRICT;
    `);
  },
};
