import type { Migration } from "./index.ts";

/** The second address of a dual-stack pod, why an interface is foreign, which blocks enid only found or lost, and the tags of an interface that is being made. */
export const bothFamilies: Migration = {
  version: 3,
  apply(database) {
    database.exec(`
      ALTER TABLE leases ADD COLUMN ipv6_address TEXT CHECK (ipv6_address <> address);
      CREATE UNIQUE INDEX leases_by_ipv6_address ON leases (ipv6_address) WHERE ipv6_address IS NOT NULL;
      -- The IPv6 address of an IPv6-only pod stands in the other column, where the index does not look. The first halves
      -- of the conditions spare pods with IPv4 alone the look-ups.
      CREATE TRIGGER leases_of_one_address BEFORE INSERT ON leases
      WHEN (NEW.ipv6_address IS NOT NULL AND EXISTS (SELECT 1 FROM leases WHERE address = NEW.ipv6_address))
        OR (instr(NEW.address, ':') > 0 AND EXISTS (SELECT 1 FROM leases WHERE ipv6_address = NEW.address))
      BEGIN
        SELECT RAISE(ABORT, 'an address of the lease is leased already');
      END;

      ALTER TABLE interfaces ADD COLUMN foreign_because TEXT;

      ALTER TABLE blocks ADD COLUMN is_found INTEGER NOT NULL DEFAULT 0 CHECK (is_found IN (0, 1));
      ALTER TABLE blocks ADD COLUMN is_lost INTEGER NOT NULL DEFAULT 0 CHECK (is_lost IN (0, 1));

      ALTER TABLE intents ADD COLUMN tags TEXT CHECK (json_type(tags) = 'object');
    `);
  },
};
