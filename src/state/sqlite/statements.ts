import type { DatabaseSync } from "node:sqlite";

export type Statements = ReturnType<typeof prepareStatements>;

/** Every statement that a commit uses, prepared once. Fails where the schema lacks what it should have. */
export function prepareStatements(database: DatabaseSync) {
  const prepare = (sql: string) => database.prepare(sql);
  return {
    // A repeated put of the same binding renews it; one that would move an address changes no row and is refused then.
    putLease: prepare(`
      INSERT INTO leases (address, ipv6_address, network, container_id, interface_name, pod_namespace, pod_name, pod_uid,
        leased_at_ms, sandbox_path, sandbox_identity, sandbox_folder)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (address) DO UPDATE SET
        pod_namespace = excluded.pod_namespace, pod_name = excluded.pod_name,
        pod_uid = excluded.pod_uid, leased_at_ms = excluded.leased_at_ms,
        sandbox_path = excluded.sandbox_path, sandbox_identity = excluded.sandbox_identity,
        sandbox_folder = excluded.sandbox_folder
      WHERE network = excluded.network AND container_id = excluded.container_id
        AND interface_name = excluded.interface_name AND ipv6_address IS excluded.ipv6_address`),
    holderOf: prepare(`
      SELECT network, container_id, interface_name FROM leases WHERE address = ?1 OR ipv6_address = ?1`),
    endLease: prepare(`
      DELETE FROM leases WHERE address = ? AND network = ? AND container_id = ? AND interface_name = ?`),
    endAllLeases: prepare("DELETE FROM leases"),
    cool: prepare(`
      INSERT INTO cooling (address, until_ms) SELECT ?1, ?2
      WHERE NOT EXISTS (SELECT 1 FROM leases WHERE address = ?1 OR ipv6_address = ?1)
      ON CONFLICT (address) DO UPDATE SET until_ms = excluded.until_ms`),
    endCooling: prepare("DELETE FROM cooling WHERE address = ?"),
    // Not REPLACE: that would remove the row first, and the blocks of the interface with it.
    putInterface: prepare(`
      INSERT INTO interfaces (id, mac, device_index, network_card, subnet_id, subnet_cidr, primary_address,
        security_groups, attachment_id, made_by, is_foreign, foreign_because)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET
        mac = excluded.mac, device_index = excluded.device_index, network_card = excluded.network_card,
        subnet_id = excluded.subnet_id, subnet_cidr = excluded.subnet_cidr, primary_address = excluded.primary_address,
        security_groups = excluded.security_groups, attachment_id = excluded.attachment_id,
        made_by = excluded.made_by, is_foreign = excluded.is_foreign, foreign_because = excluded.foreign_because`),
    hasInterface: prepare("SELECT 1 FROM interfaces WHERE id = ?"),
    removeInterface: prepare("DELETE FROM interfaces WHERE id = ?"),
    putBlock: prepare(`
      INSERT INTO blocks (cidr, interface_id, kind, is_found, is_lost) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (cidr) DO UPDATE SET
        interface_id = excluded.interface_id, kind = excluded.kind, is_found = excluded.is_found,
        is_lost = excluded.is_lost`),
    removeBlock: prepare("DELETE FROM blocks WHERE cidr = ?"),
    putIntent: prepare(`
      INSERT OR REPLACE INTO intents (id, step, opened_at_ms, before, security_groups, delete_on_termination, tags,
        interface_id, attachment_id)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    closeIntent: prepare("DELETE FROM intents WHERE id = ?"),
    putOverride: prepare("INSERT OR REPLACE INTO overrides (name, value, set_at_ms) VALUES (?, ?, ?)"),
    removeOverride: prepare("DELETE FROM overrides WHERE name = ?"),
    putConfiguration: prepare("INSERT OR REPLACE INTO configuration (id, file, text, read_at_ms) VALUES (1, ?, ?, ?)"),
    putResolution: prepare("INSERT OR REPLACE INTO resolution (id, selection, subnet_ids) VALUES (1, ?, ?)"),
    putFixed: prepare(`
      INSERT OR REPLACE INTO fixed (pod, address, subnet_id, zone, epoch, holder, holder_name, state, keep_ms,
        expires_at_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    removeFixed: prepare("DELETE FROM fixed WHERE pod = ?"),
    removeProfiles: prepare("DELETE FROM profiles"),
    putProfile: prepare(`INSERT INTO profiles (position, name, match, "values", set_at_ms) VALUES (?, ?, ?, ?, ?)`),
    identity: prepare("SELECT boot_id, instance_id FROM meta WHERE id = 1"),
    setBoot: prepare("UPDATE meta SET boot_id = ? WHERE id = 1"),
    setInstance: prepare("UPDATE meta SET instance_id = ? WHERE id = 1"),
    // Blocks go with their interfaces.
    dropInstance: ["leases", "cooling", "interfaces", "intents", "resolution", "fixed"].map((table) =>
      prepare(`DELETE FROM ${table}`),
    ),
  };
}
