import type { Migration } from "./index.ts";

/** What the selection of subnets allowed when EC2 was asked last. `selection` is the question, word for word. */
export const resolution: Migration = {
  version: 2,
  apply(database) {
    database.exec(`
      CREATE TABLE resolution (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        selection TEXT NOT NULL,
        subnet_ids TEXT NOT NULL CHECK (json_type(subnet_ids) = 'array')
      ) STRICT;
    `);
  },
};
