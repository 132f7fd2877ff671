import { describe, expect, it } from "vitest";
import { renderExplanation } from "../../src/cli/render/explanation.ts";
import { renderEvents, renderLeases } from "../../src/cli/render/leases.ts";
import { renderPlan } from "../../src/cli/render/plan.ts";
import { renderSettings } from "../../src/cli/render/settings.ts";
import { renderStatus } from "../../src/cli/render/status.ts";
import { ago, duration, moment, size, table } from "../../src/cli/render/text.ts";
import type { PlanReport, StatusReport } from "../../src/manager/index.ts";
import type { ShortfallReason } from "../../src/planning/index.ts";
import { NOON_MS, settings, statusReport } from "../telemetry/status-report.ts";
import { FakeManager, PLAN } from "./fake-daemon.ts";

const plain = (_style: string, text: string) => text;
const MINUTE_MS = 60_000;

function status(changes: Partial<StatusReport> = {}): string {
  return `\n${renderStatus({ version: "0.1.0", ...statusReport(changes) }, NOON_MS, plain).join("\n")}\n`;
}

describe("enid status for a person", () => {
  it("of a node that is well begins with the state and aligns the rest", () => {
    expect(status()).toBe(`
ready
enid 0.1.0, aws, up 3 h 12 min; i-0abc (m5.large) in eu-west-1a, vpc-1

addresses      18 held of at most 27: 8 free, 9 leased, 1 cooling, 0 releasing
watermarks     pre-allocate 8, min-allocate 10, max-allocate 0 (what the instance holds), max-above-watermark 0
demand         10 used of 18 available; 0 needed, 0 excess
configuration  /etc/cni/net.d/05-cilium.conf, read 3 h 12 min ago
overrides      pre-allocate=8
observed       metadata 30 s ago, cloud 10 min ago
state          /var/lib/enid/state.db, schema 1, 40 KiB

INTERFACE  INDEX  SUBNET    PRIMARY   MADE BY     HELD  FREE  LEASED  COOLING  RELEASING
eni-a          0  subnet-a  10.0.1.4  instance  9 of 9     0       8        1          0
eni-b          1  subnet-b  10.0.2.4  enid      9 of 9     8       1        0          0

SUBNET    CIDR         FREE  READ
subnet-a  10.0.1.0/24   200  1 min ago
subnet-b  10.0.2.0/24     3  1 min ago
  subnet-x is not used: tag enid.io/pods is missing
`);
  });

  it("lists fixed addresses, those in trouble first, and says what a pod that moves waits for", () => {
    const attachment = { network: "cilium", containerId: "c1", interfaceName: "eth0" };
    const text = status({
      fixed: [
        { pod: "db/pg-0", address: "10.0.1.9", epoch: 3, state: "parked", expiresAtMs: NOON_MS + 5 * MINUTE_MS },
        { pod: "db/pg-1", address: "10.0.1.10", epoch: 7, state: "lost", holder: "node-2" },
      ],
      waiting: [
        {
          pod: { namespace: "db", name: "pg-2", uid: "" },
          attachment,
          sinceMs: NOON_MS - 2_000,
          deadlineMs: NOON_MS + 18_000,
          waitingFor: "10.0.1.11 from node-3",
        },
      ],
    });
    expect(text).toContain(`
FIXED ADDRESSES (2 pods)
  db/pg-1  10.0.1.10  LOST to node-2: the pod here cannot be reached
  db/pg-0  10.0.1.9   waits for its pod, for 5 min more
`);
    expect(text).toContain("gives up in 18 s; waits for 10.0.1.11 from node-3");
  });

  it("of a node in trouble says first what gives way, who waits, and what to do", () => {
    const { interfaces, subnets, configuration, store } = statusReport();
    const [first, second] = interfaces;
    if (first === undefined || second === undefined) throw new Error("the report has two interfaces");
    const attachment = { network: "cilium", containerId: "c1", interfaceName: "eth0" };
    const text = status({
      phase: "growing",
      ready: false,
      waitingFor: "the pool has 4 of the 10 addresses that min-allocate asks for: EC2 throttles CreateNetworkInterface",
      degraded: [
        {
          name: "ec2-throttled",
          sinceMs: NOON_MS - 2 * MINUTE_MS,
          error: {
            code: "ENID_EC2_THROTTLED",
            message: "EC2 throttles CreateNetworkInterface",
            remedy: "The bucket is shared.",
          },
        },
      ],
      waiting: [
        {
          pod: { namespace: "shop", name: "cart-0", uid: "" },
          attachment,
          sinceMs: NOON_MS - 4_000,
          deadlineMs: NOON_MS + 16_000,
        },
      ],
      interfaces: [{ ...first, usable: false, unusableBecause: "device index 0 is below first-interface-index 1" }],
      subnets: subnets.slice(0, 1).map((subnet) => ({ ...subnet, blockedUntilMs: NOON_MS + 90_000 })),
      refusedSubnets: [],
      intents: [
        {
          id: "intent-1",
          kind: "create-interface",
          target: "subnet-a",
          count: 9,
          openedAtMs: NOON_MS - 61_000,
          state: "unsettled",
        },
      ],
      configuration: {
        ...configuration,
        source: "last-valid",
        error: { code: "ENID_CONFIG_INVALID", message: "", remedy: "" },
        notices: ["/etc/cni/net.d/05-cilium.conf:3:5: eni.min-allocate is deprecated"],
        differences: [{ name: "instance-type", stated: "m5.xlarge", actual: "m5.large" }],
      },
      store: { ...store, sizeBytes: 5 * 1024 * 1024 },
      node: undefined,
      capacity: 0,
      observedAtMs: { metadata: 0, cloud: 0 },
    });
    expect(text).toBe(`
growing, degraded: the pool has 4 of the 10 addresses that min-allocate asks for: EC2 throttles CreateNetworkInterface
enid 0.1.0, aws, up 3 h 12 min; node not known yet

addresses      18 held, capacity unknown: 8 free, 9 leased, 1 cooling, 0 releasing
watermarks     pre-allocate 8, min-allocate 10, max-allocate 0 (what the instance holds), max-above-watermark 0
demand         10 used of 18 available; 0 needed, 0 excess
configuration  LAST VALID one of /etc/cni/net.d/05-cilium.conf, read 3 h 12 min ago; the file as it is now is not in force (ENID_CONFIG_INVALID)
overrides      pre-allocate=8
observed       metadata never, cloud never
state          /var/lib/enid/state.db, schema 1, 5.0 MiB
  notice: /etc/cni/net.d/05-cilium.conf:3:5: eni.min-allocate is deprecated
  notice: the file says instance-type m5.xlarge; instance metadata says m5.large and wins

DEGRADED
  ec2-throttled for 2 min: ENID_EC2_THROTTLED: EC2 throttles CreateNetworkInterface
    The bucket is shared.

WAITING FOR AN ADDRESS (1 pod)
  shop/cart-0  for 4 s  gives up in 16 s

INTERFACE  INDEX  SUBNET    PRIMARY   MADE BY    HELD  FREE  LEASED  COOLING  RELEASING
eni-a          0  subnet-a  10.0.1.4  other    9 of 9     0       8        1          0  no pods: device index 0 is below first-interface-index 1

SUBNET    CIDR         FREE  READ
subnet-a  10.0.1.0/24   200  1 min ago  held back for 1 min 30 s

STEP UNDER WAY    TARGET    COUNT  STATE      FOR        ID
create-interface  subnet-a      9  unsettled  1 min 1 s  intent-1
`);
  });

  it("tells the sources of the configuration apart", () => {
    const { configuration } = statusReport();
    const line = (changes: Partial<StatusReport["configuration"]>) =>
      status({ configuration: { ...configuration, ...changes } }).match(/^configuration {2}(.*)$/m)?.[1];
    expect(line({ source: "none" })).toBe("no file; defaults and overrides");
    expect(line({ source: "last-valid" })).toContain("the daemon was started without a file");
  });

  it("lists at most ten waiting pods and says how many more there are", () => {
    const attachment = { network: "cilium", containerId: "c", interfaceName: "eth0" };
    const waiting = Array.from({ length: 25 }, (_, index) => ({
      pod: { namespace: "shop", name: `cart-${index}`, uid: "" },
      attachment,
      sinceMs: NOON_MS,
      deadlineMs: NOON_MS,
    }));
    const text = status({ waiting });
    expect(text).toContain("WAITING FOR AN ADDRESS (25 pods)");
    expect(text.match(/shop\/cart-/g)).toHaveLength(10);
    expect(text).toContain("\n  and 15 more\n");
  });
});

describe("enid status of a node with prefixes and both families", () => {
  const line = (name: string, changes: Partial<StatusReport>) =>
    status(changes).match(new RegExp(`^${name} +(.*)$`, "m"))?.[1];
  const { pool, watermarks, interfaces, subnets } = statusReport();
  const ipv6 = { total: 2 ** 48, free: 2 ** 48 - 10, leased: 9, cooling: 1, releasing: 0 };

  it("says nothing of prefixes and IPv6 where the node has neither", () => {
    expect(status()).not.toMatch(/^(ipv6|prefixes|given back|LOST)/m);
  });

  it("says what is taken of the IPv6 prefix, and what pods get", () => {
    expect(line("ipv6", { ipFamilies: "dual", pool: { ...pool, ipv6 } })).toBe(
      "9 leased, 1 cooling; pods get both families",
    );
    expect(line("ipv6", { ipFamilies: "ipv6" })).toBe("no prefix held yet; pods get IPv6 only");
    expect(line("ipv6", { pool: { ...pool, ipv6 } })).toBe("9 leased, 1 cooling; pods get IPv4 only");
  });

  it("says how many prefixes it holds and how much of it could be given back", () => {
    expect(line("prefixes", { prefixMode: "preferred" })).toBe("preferred, 0 held");
    const held = { ...pool, prefixes: 3, freeInFreeBlocks: 32 };
    expect(line("prefixes", { prefixMode: "required", pool: held })).toBe(
      "required, 3 held; 32 addresses in wholly free blocks",
    );
    expect(line("prefixes", { pool: held })).toBe("off, 3 held; 32 addresses in wholly free blocks");
  });

  it("says what becomes of the excess", () => {
    const excess = (changes: Partial<StatusReport["pool"]>, releasing = true) => {
      const values = { ...settings().values, "release-excess": releasing };
      const report = {
        settings: { ...settings(), values },
        watermarks: { ...watermarks, excess: 16 },
        pool: { ...pool, ...changes },
      };
      return line("demand", report)?.split(", ").slice(1).join(", ");
    };
    expect(excess({})).toBe("16 excess");
    expect(excess({ releasableAtMs: NOON_MS + 90_000 })).toBe(
      "16 excess, to be given back in 1 min 30 s as far as they are whole free blocks",
    );
    expect(excess({ releasableAtMs: NOON_MS, releasing: 16 })).toBe("16 excess, 16 being given back");
    expect(
      line("demand", { watermarks: { ...watermarks, excess: 16 }, pool: { ...pool, releasableAtMs: NOON_MS } }),
    ).toContain("16 excess, in blocks that pods use as well or on interfaces that are not idle long enough");
    expect(excess({ releasableAtMs: NOON_MS }, false)).toBe("16 excess, kept because release-excess is false");
    expect(excess({ excess: 0, releasableAtMs: undefined })).toBe("0 excess");
  });

  it("says that a buffer which is half full is filled up later", () => {
    const demand = (refillAtMs?: number) =>
      line("demand", { watermarks: { ...watermarks, needed: 4, ...(refillAtMs === undefined ? {} : { refillAtMs }) } });
    expect(demand()).toContain("; 4 needed, ");
    expect(demand(NOON_MS + 80_000)).toContain(
      "; 4 needed (the buffer is half full: fetched together within 1 min 20 s), ",
    );
  });

  it("counts what was given back", () => {
    expect(line("given back", { givenBack: { addresses: 17, interfaces: 1 } })).toBe(
      "17 addresses, 1 interface since the start",
    );
    expect(line("given back", { givenBack: { addresses: 0, interfaces: 0 } })).toBeUndefined();
  });

  it("says which leased addresses are lost, ten at most, and what to do", () => {
    const lost = Array.from({ length: 12 }, (_, index) => ({
      address: `10.0.1.${index + 7}`,
      pod: { namespace: "shop", name: `cart-${index}`, uid: "" },
      sinceMs: NOON_MS - 5 * MINUTE_MS,
    }));
    const text = status({ lost });
    expect(text).toContain("\nLOST: EC2 denies 12 leased addresses\n  10.0.1.7   shop/cart-0  for 5 min\n");
    expect(text).toContain("\n  and 2 more\n  The leases stay. Delete these pods, and find who took the addresses.\n");
  });

  it("says which leases were left behind, and when they end", () => {
    const leases = Array.from({ length: 11 }, (_, index) => ({
      address: `10.0.1.${index + 7}`,
      pod: { namespace: "shop", name: `cart-${index}`, uid: "" },
      sinceMs: NOON_MS - 2 * MINUTE_MS,
      because: index === 0 ? ("not-listed" as const) : ("sandbox-gone" as const),
    }));
    const text = status({ orphans: { leases, released: 4 } });
    expect(text).toContain(
      "\nLEFT BEHIND: 11 leases without a DEL\n  10.0.1.7   shop/cart-0  the runtime does not list it, for 2 min\n  10.0.1.8   shop/cart-1  its sandbox is gone, for 2 min\n",
    );
    expect(text).toContain("\n  and 1 more\n  They end by themselves once their sandboxes were gone");
    expect(line("orphans", { orphans: { leases: [], released: 4 } })).toBe(
      "4 leases ended without a DEL since the start",
    );
    expect(status({ orphans: { leases: [], released: 1 } })).not.toContain("LEFT BEHIND");
    expect(line("orphans", {})).toBeUndefined();
  });

  it("names the network card, the IPv6 CIDR, and a subnet in which no prefix fits", () => {
    const [, second] = interfaces;
    const [subnet] = subnets;
    if (second === undefined || subnet === undefined) throw new Error("the report has interfaces and subnets");
    const fragmented = { ...subnet, ipv6Cidr: "2001:db8:1::/64", prefixesBlockedUntilMs: NOON_MS + 42_000 };
    const text = status({ interfaces: [{ ...second, networkCard: 1 }], subnets: [fragmented] });
    expect(text).toMatch(/^eni-b +1\/1 +subnet-b/m);
    expect(text).toMatch(
      /^subnet-a +10\.0\.1\.0\/24, 2001:db8:1::\/64 +200 +1 min ago +no prefix fits; tried again in 42 s$/m,
    );
    expect(status({ subnets: [{ ...fragmented, blockedUntilMs: NOON_MS + 5_000 }] })).toMatch(/held back for 5 s$/m);
  });
});

describe("the other answers for a person", () => {
  it("settings show value and origin of each", () => {
    const lines = renderSettings(settings());
    expect(lines).toHaveLength(1 + Object.keys(settings().values).length);
    // How wide the first column is depends on the longest name of all.
    const [header = ""] = lines;
    const from = header.indexOf("FROM");
    const said = lines.filter((line) => !line.includes(" default "));
    expect(said.map((line) => [line.slice(0, from).trimEnd(), line.slice(from)])).toEqual([
      ["SETTING", "FROM                                VALUE"],
      ["min-allocate", "/etc/cni/net.d/05-cilium.conf:5:25  10"],
      ["pre-allocate", "override, set 2026-08-01T11:00:00Z  8"],
      ["subnet-tags", '/etc/cni/net.d/05-cilium.conf:3:20  {"enid.io/pods":"true"}'],
    ]);
  });

  it("a plan shows steps, calls and reasoning, and no reason twice", () => {
    expect(`\n${renderPlan({ ...PLAN, waiting: 3 }, plain).join("\n")}\n`).toBe(`
1 step with 3 pods waiting: 4 of 4 wanted addresses

1. add 4 addresses to eni-a in subnet-a
   4 of 4 go on eni-a: it has 5 free slots
   → AssignPrivateIpAddresses NetworkInterfaceId=eni-a SecondaryPrivateIpAddressCount=4

because
  needed 4: pre-allocate asks for 8 free addresses, 4 are
`);
  });

  it.each<[ShortfallReason, string]>([
    [{ kind: "instance-full", capacity: 27 }, "holds all 27 pod addresses"],
    [{ kind: "max-allocate", maxAllocate: 12 }, "max-allocate 12 is reached"],
    [{ kind: "subnets-empty", subnets: [{ id: "subnet-a", freeAddresses: 0 }] }, "subnet-a (0 free)"],
    [{ kind: "subnets-fragmented", subnets: [{ id: "subnet-a", freeAddresses: 90 }] }, "prefix: subnet-a (90 free)"],
    [{ kind: "prefixes-unsupported" }, "let prefix-delegation be preferred or off"],
    [{ kind: "no-ipv6-subnet", subnets: [{ id: "subnet-a", freeAddresses: 9 }] }, "has an IPv6 CIDR: subnet-a;"],
    [{ kind: "no-subnet" }, "eni.subnet-tags"],
    [{ kind: "no-usable-interface" }, "eni.first-interface-index"],
    [{ kind: "blocked", untilMs: NOON_MS, reason: "throttled" }, "until 2026-08-01T12:00:00Z: throttled"],
  ])("a plan that falls short (%o) says why and what to do", (shortfall, part) => {
    const report: PlanReport = { ...PLAN, plan: { ...PLAN.plan, steps: [], planned: 0, shortfall } };
    const [head, ...rest] = renderPlan(report, plain);
    expect(head).toBe("nothing to do: 0 of 4 wanted addresses");
    expect(rest.at(-1)).toContain("shortfall: ");
    expect(rest.at(-1)).toContain(part);
  });

  it("a plan that cannot be made says the error and the remedy", () => {
    const error = { code: "ENID_STARTING" as const, message: "the daemon is starting", remedy: "Wait." };
    expect(renderPlan({ ...PLAN, error }, plain).slice(0, 2)).toEqual([
      "no plan can be made: ENID_STARTING: the daemon is starting",
      "  Wait.",
    ]);
  });

  it("steps of every kind are named", () => {
    const steps: PlanReport["plan"]["steps"] = [
      { kind: "create-interface", subnetId: "subnet-a", deviceIndex: 2, count: 1, reason: "r" },
      { kind: "release-blocks", interfaceId: "eni-b", cidrs: ["10.0.2.7/32", "10.0.2.8/32"], reason: "r" },
      { kind: "remove-interface", interfaceId: "eni-b", reason: "r" },
      { kind: "add-blocks", interfaceId: "eni-b", subnetId: "subnet-b", count: 2, unit: "prefix", reason: "r" },
      { kind: "add-blocks", interfaceId: "eni-b", subnetId: "subnet-b", count: 1, unit: "ipv6-prefix", reason: "r" },
      {
        kind: "create-interface",
        subnetId: "subnet-a",
        deviceIndex: 1,
        networkCard: 1,
        count: 1,
        unit: "prefix",
        ipv6Prefixes: 1,
        reason: "r",
      },
      { kind: "remove-interface", interfaceId: "eni-x", orphanOf: "shop", reason: "r" },
      { kind: "set-security-groups", interfaceId: "eni-b", securityGroups: ["sg-1", "sg-2"], reason: "r" },
    ];
    const plan = { ...PLAN.plan, steps, wanted: 0, givenBack: 33 };
    const lines = renderPlan({ ...PLAN, plan, calls: [] }, plain);
    expect(lines.filter((line) => /^\d/.test(line))).toEqual([
      "8 steps: 33 addresses given back",
      "1. create an interface in subnet-a at device index 2 with 1 address",
      "2. release 2 blocks of eni-b: 10.0.2.7/32, 10.0.2.8/32",
      "3. remove eni-b",
      "4. add 2 prefixes (32 addresses) to eni-b in subnet-b",
      "5. add 1 IPv6 prefix to eni-b in subnet-b",
      "6. create an interface in subnet-a at device index 1 of network card 1 with 1 prefix (16 addresses) and 1 IPv6 prefix",
      "7. delete eni-x, which another node of cluster shop left behind",
      "8. give eni-b the security groups sg-1, sg-2",
    ]);
  });

  it("an explanation begins with the answer", () => {
    const explanation = new FakeManager().explain("shop/cart-0");
    expect(`\n${renderExplanation(explanation, NOON_MS + 5_000, plain).join("\n")}\n`).toBe(`
shop/cart-0 has 10.0.1.7 since its ADD.
  eni-a was the fullest usable interface

lease         10.0.1.7
  pod         shop/cart-0 (u-1)
  attachment  eth0 of container 0123456789abcdef in network cilium
  interface   eni-a in subnet-a
  since       2026-08-01T12:00:00Z, 5 s ago

lately
  2026-08-01T12:00:00Z  ADD answered with 10.0.1.7
`);
  });

  it("an explanation and the list of leases show both addresses of a dual-stack pod", () => {
    const explanation = new FakeManager().explain("shop/cart-0");
    const leases = explanation.leases.map((lease) => ({ ...lease, ipv6Address: "2001:db8::7" }));
    expect(renderExplanation({ ...explanation, leases }, NOON_MS, plain)).toContain(
      "lease         10.0.1.7 and 2001:db8::7",
    );
    const ipv4Only = new FakeManager().leases().map((lease) => ({ ...lease, address: "10.0.1.8" }));
    expect(renderLeases([...leases, ...ipv4Only], NOON_MS + MINUTE_MS)).toEqual([
      "ADDRESS   IPV6         POD          CONTAINER      INTERFACE  NETWORK  FOR",
      "10.0.1.7  2001:db8::7  shop/cart-0  0123456789abc  eth0       cilium   1 min",
      "10.0.1.8               shop/cart-0  0123456789abc  eth0       cilium   1 min",
    ]);
  });

  it("an explanation of an address shows its state and when it is free again", () => {
    const address = {
      address: "10.0.1.8",
      state: "cooling" as const,
      block: "10.0.1.8/32",
      interfaceId: "eni-a",
      subnetId: "subnet-a",
      coolingUntilMs: NOON_MS + 12_000,
    };
    const explanation = {
      subject: "10.0.1.8",
      answer: "10.0.1.8 is cooling.",
      because: [],
      leases: [],
      address,
      history: [],
    };
    expect(renderExplanation(explanation, NOON_MS, plain)).toEqual([
      "10.0.1.8 is cooling.",
      "",
      "address  10.0.1.8",
      "  state  cooling, free again in 12 s",
      "  block  10.0.1.8/32 on eni-a in subnet-a",
    ]);
  });

  it("leases and events are tables, or say that there are none", () => {
    expect(renderLeases([], NOON_MS)).toEqual(["no leases"]);
    expect(renderEvents([])).toEqual(["no events yet"]);
    expect(renderLeases(new FakeManager().leases(), NOON_MS + MINUTE_MS)).toEqual([
      "ADDRESS   POD          CONTAINER      INTERFACE  NETWORK  FOR",
      "10.0.1.7  shop/cart-0  0123456789abc  eth0       cilium   1 min",
    ]);
    expect(renderEvents([{ name: "started", level: "info", message: "up", atMs: NOON_MS }])).toEqual([
      "2026-08-01T12:00:00Z  info  started  up",
    ]);
  });
});

describe("the pieces of text", () => {
  it.each([
    [-5, "0 ms"],
    [999.6, "1000 ms"],
    [1_400, "1 s"],
    [59_600, "1 min"],
    [61_000, "1 min 1 s"],
    [11 * MINUTE_MS + 1_000, "11 min"],
    [60 * MINUTE_MS, "1 h"],
    [26 * 60 * MINUTE_MS, "1 d 2 h"],
  ])("a duration of %d ms is %s", (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  it("moments that never were are never", () => {
    expect([moment(0), ago(0, NOON_MS)]).toEqual(["never", "never"]);
  });

  it("sizes are rounded up to KiB and shown in MiB beyond", () => {
    expect([size(1), size(40_960), size(5_200_000)]).toEqual(["1 KiB", "40 KiB", "5.0 MiB"]);
  });

  it("a table has no trailing blanks and rows may differ in length", () => {
    expect(table([["a", "bb", ""], ["ccc"], ["d", "1"]], [1])).toEqual(["a    bb", "ccc", "d     1"]);
  });
});
