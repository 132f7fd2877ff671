import { describe, expect, it } from "vitest";
import { MetadataClient } from "../../../src/providers/aws/metadata-client.ts";
import {
  InterfaceTexts,
  type MetadataInterface,
  readInterfaces,
} from "../../../src/providers/aws/metadata-interfaces.ts";
import { quickWorld } from "./support.ts";

const MACS = "/latest/meta-data/network/interfaces/macs/";
const PRIMARY = "02:00:00:00:00:01";
const SECOND = "02:00:00:00:00:02";
const FIXED = ["interface-id", "device-number", "network-card", "subnet-id", "subnet-ipv4-cidr-block"];
const CHANGING = ["local-ipv4s", "ipv4-prefix", "ipv6-prefix", "security-group-ids"];

function folderOf(mac: string, id: string, deviceNumber: number): Record<string, string> {
  return {
    [`${MACS}${mac}/interface-id`]: id,
    [`${MACS}${mac}/device-number`]: String(deviceNumber),
    [`${MACS}${mac}/subnet-id`]: "subnet-1",
    [`${MACS}${mac}/subnet-ipv4-cidr-block`]: "10.0.0.0/24",
    [`${MACS}${mac}/local-ipv4s`]: `10.0.0.${10 * (deviceNumber + 1)}`,
    [`${MACS}${mac}/security-group-ids`]: "sg-1",
  };
}

/** Instance metadata that answers at once, on a clock that stands still, and a memory of what was read of it. */
function instance({ agrees = (_: MetadataInterface): boolean => true } = {}) {
  const tree: Record<string, string | number> = { [MACS]: `${PRIMARY}/`, ...folderOf(PRIMARY, "eni-1", 0) };
  const time = { ms: 0 };
  const world = quickWorld();
  const clock = { ...world.clock, monotonicMs: () => time.ms };
  let read: string[] = [];
  const metadata = new MetadataClient({ ...world, clock }, "http://metadata.invalid", {
    send: async ({ method, url }) => {
      if (method === "PUT") return { status: 200, body: "token" };
      const { pathname } = new URL(url);
      read.push(pathname);
      const found = tree[pathname];
      if (typeof found === "number") return { status: found, body: "" };
      return found === undefined ? { status: 404, body: "" } : { status: 200, body: found };
    },
    close: () => undefined,
  });
  const memory = new InterfaceTexts(clock, agrees);
  /** What a look finds, and the keys that it read for it by MAC. */
  const look = async () => {
    read = [];
    const seen = await readInterfaces(metadata, PRIMARY, undefined, memory);
    const keysOf = (mac: string) =>
      read.filter((path) => path.startsWith(`${MACS}${mac}/`)).map((path) => path.slice(MACS.length + mac.length + 1));
    return { ...seen, reads: read.length, keysOf };
  };
  /** Two looks that read everything. */
  const settle = async () => {
    expect((await look()).keysOf(PRIMARY).sort()).toEqual([...FIXED, ...CHANGING].sort());
    const second = await look();
    expect(second.keysOf(PRIMARY).sort()).toEqual([...FIXED, ...CHANGING].sort());
    return second;
  };
  return { tree, time, look, settle };
}

describe("a look at metadata that remembers", () => {
  it("reads the list and four keys of an interface that two looks have shown the same", async () => {
    const { look, settle } = instance();
    const { interfaces } = await settle();
    const third = await look();
    expect(third.reads).toBe(5);
    expect(third.keysOf(PRIMARY).sort()).toEqual([...CHANGING].sort());
    expect(third.interfaces[0]).toBe(interfaces[0]);
    expect(third.interfaces).toMatchObject([
      { id: "eni-1", deviceIndex: 0, networkCard: 0, subnetId: "subnet-1", subnetCidr: "10.0.0.0/24" },
    ]);
  });

  it("sees every change of addresses, prefixes and groups", async () => {
    const { tree, look, settle } = instance();
    await settle();
    const changes: readonly (readonly [string, string, object])[] = [
      ["local-ipv4s", "10.0.0.10\n10.0.0.11", { addresses: ["10.0.0.10", "10.0.0.11"] }],
      ["ipv4-prefix", "10.0.0.32/28", { prefixes: ["10.0.0.32/28"] }],
      ["ipv6-prefix", "2001:DB8::/80", { ipv6Prefixes: ["2001:db8::/80"] }],
      ["security-group-ids", "sg-2\nsg-3", { securityGroups: ["sg-2", "sg-3"] }],
    ];
    for (const [key, text, expected] of changes) {
      tree[`${MACS}${PRIMARY}/${key}`] = text;
      const { interfaces, reads } = await look();
      expect(interfaces).toMatchObject([{ id: "eni-1", ...expected }]);
      expect(reads).toBe(5);
    }
  });

  it("reads all keys again every ten minutes, so that a stale place does not persist", async () => {
    const { tree, time, look, settle } = instance();
    tree[MACS] = `${PRIMARY}/\n${SECOND}/`;
    Object.assign(tree, folderOf(SECOND, "eni-2", 1));
    await settle();
    tree[`${MACS}${SECOND}/device-number`] = "2";
    time.ms = 9 * 60_000;
    expect((await look()).interfaces).toMatchObject([{}, { deviceIndex: 1 }]);
    time.ms = 10 * 60_000;
    const whole = await look();
    expect(whole.reads).toBe(1 + 9 + 9);
    expect(whole.interfaces).toMatchObject([{}, { deviceIndex: 2 }]);
    // The one that is as before is known at once; the other has to be read the same once more.
    expect((await look()).reads).toBe(1 + 4 + 9);
    expect((await look()).reads).toBe(1 + 4 + 4);
  });

  it("does not remember what is still being filled", async () => {
    const { tree, look, settle } = instance();
    await settle();
    tree[MACS] = `${PRIMARY}/\n${SECOND}/`;
    Object.assign(tree, folderOf(SECOND, "eni-2", 0));
    expect((await look()).unreadable).toEqual([SECOND]);
    Object.assign(tree, folderOf(SECOND, "eni-2", 2));
    expect((await look()).interfaces).toMatchObject([{}, { deviceIndex: 2, networkCard: 0 }]);
    tree[`${MACS}${SECOND}/network-card`] = "1";
    expect((await look()).interfaces).toMatchObject([{}, { deviceIndex: 2, networkCard: 1 }]);
    expect((await look()).keysOf(SECOND)).toHaveLength(9);
    expect((await look()).keysOf(SECOND)).toHaveLength(4);
  });

  it("forgets an interface whose MAC was away", async () => {
    const { tree, look, settle } = instance();
    tree[MACS] = `${PRIMARY}/\n${SECOND}/`;
    Object.assign(tree, folderOf(SECOND, "eni-2", 1));
    await settle();
    tree[MACS] = `${PRIMARY}/`;
    await look();
    tree[MACS] = `${PRIMARY}/\n${SECOND}/`;
    tree[`${MACS}${SECOND}/device-number`] = "2";
    const { interfaces, keysOf } = await look();
    expect(interfaces).toMatchObject([{}, { deviceIndex: 2 }]);
    expect([keysOf(PRIMARY).length, keysOf(SECOND).length]).toEqual([4, 9]);
  });

  const SUSPICIOUS: readonly (readonly [string, string, string | number | undefined])[] = [
    ["an address is outside the subnet", "local-ipv4s", "10.0.0.10\n10.0.1.7"],
    ["an address is none", "local-ipv4s", "10.0.0.1\n10.0"],
    ["there is no address", "local-ipv4s", undefined],
    ["a prefix is outside the subnet", "ipv4-prefix", "10.0.1.16/28"],
    ["a prefix is cut off", "ipv4-prefix", "10.0.0.1"],
    ["prefixes cannot be read", "ipv6-prefix", 503],
  ];

  it.each(SUSPICIOUS)("reads everything in the same look, and the next ones, when %s", async (_, key, text) => {
    const { tree, look, settle } = instance();
    await settle();
    const path = `${MACS}${PRIMARY}/${key}`;
    const before = tree[path];
    if (text === undefined) delete tree[path];
    else tree[path] = text;
    tree[`${MACS}${PRIMARY}/subnet-id`] = "subnet-2";
    for (let count = 0; count < 2; count++) {
      const { interfaces, keysOf } = await look();
      expect(keysOf(PRIMARY)).toEqual(expect.arrayContaining([...FIXED, ...CHANGING]));
      expect(interfaces).toMatchObject([{ subnetId: "subnet-2" }]);
    }
    if (before === undefined) delete tree[path];
    else tree[path] = before;
    await settle();
    expect((await look()).reads).toBe(5);
  });

  it("reads everything as long as EC2 says something else of it", async () => {
    const ec2 = { deviceIndex: 0 };
    const { look, settle } = instance({ agrees: (seen) => seen.deviceIndex === ec2.deviceIndex });
    await settle();
    expect((await look()).reads).toBe(5);
    ec2.deviceIndex = 3;
    expect((await look()).reads).toBe(10);
    expect((await look()).reads).toBe(10);
    ec2.deviceIndex = 0;
    expect((await look()).reads).toBe(5);
  });

  it("remembers nothing over a look that failed", async () => {
    const { tree, look, settle } = instance();
    await settle();
    tree[MACS] = 500;
    await expect(look()).rejects.toMatchObject({ code: "ENID_METADATA_UNREACHABLE" });
    tree[MACS] = `${PRIMARY}/`;
    await settle();
  });
});
