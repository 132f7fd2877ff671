import type { Migration } from "./index.ts";

/** The network namespace that a lease was made for: where it was, and which one. All of it is known, or nothing. */
export const sandboxes: Migration = {
  version: 4,
  apply(database) {
    database.exec(`
      ALTER TABLE leases ADD COLUMN sandbox_path TEXT;
      ALTER TABLE leases ADD COLUMN sandbox_identity TEXT CHECK ((sandbox_identity IS NULL) = (sandbox_path IS NULL));
      ALTER TABLE leases ADD COLUMN sandbox_folder TEXT CHECK ((sandbox_folder IS NULL) = (sandbox_path IS NULL));
    `);
  },
};
