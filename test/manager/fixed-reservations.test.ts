import { describe, expect, it } from "vitest";
import { EnidError } from "../../src/errors.ts";
import type { Reservation } from "../../src/manager/index.ts";
import { LIMITS } from "../../src/manager/index.ts";
import { addDb, del, type FixedLab, type FixedNode, fixedLab, SUBNET_A } from "./fixed-lab.ts";

const RANGE = "10.0.0.192/28";
/** The addresses of the rule wait in their reservation once the pod has been gone for a minute. */
const parts = (more: object = {}) => ({
  ipam: {
    fixed: [{ namespace: "shop", "stateful-set": "db", addresses: [RANGE] }],
    "fixed-parking": "reservation",
    "release-delay-seconds": 60,
    ...more,
  },
});
const reservation = (cidr: string, kind: Reservation["kind"] = "explicit", id = "scr-1"): Reservation => ({
  id,
  subnetId: SUBNET_A,
  cidr,
  kind,
});

const looks = ({ provider }: FixedNode) => provider.log.filter((line) => line === "reservations").length;
const state = ({ running }: FixedNode) => running.status().degraded.find(({ name }) => name === "fixed-unreserved");

/** An address of db-0, which waits for its pod for longer than it needs to stay on the node. */
async function parked(lab: FixedLab, node: FixedNode): Promise<string> {
  const address = await addDb(lab, node, 1);
  expect(address).toMatch(/^10\.0\.0\.(19[2-9]|20[0-7])$/);
  await del(lab, node, 1);
  await lab.clock.advance(120_000);
  return address;
}

/** A node that starts where EC2 says this of its reservations. */
async function started(lab: FixedLab, reserved: readonly Reservation[], more?: object): Promise<FixedNode> {
  lab.cloud.allowed = [SUBNET_A];
  lab.cloud.reserved = reserved;
  return lab.node("a", parts(more));
}

describe("a fixed address of a range that is reserved", () => {
  it("waits in its reservation, and comes from there to whichever node", async () => {
    const lab = fixedLab();
    const a = await started(lab, [reservation(RANGE)]);
    const first = await addDb(lab, a, 1);
    await del(lab, a, 1);
    await lab.clock.advance(40_000);
    expect(lab.cloud.holders(first)).toEqual(["i-a"]);
    expect(await addDb(lab, a, 2)).toBe(first);
    await del(lab, a, 2);
    await lab.clock.advance(100_000);
    expect(lab.cloud.holders(first)).toEqual([]);
    expect(a.running.status()).toMatchObject({ degraded: [] });
    expect(a.running.status().fixed).toBeUndefined();
    const b = await lab.node("b", parts());
    expect(await addDb(lab, b, 3)).toBe(first);
    expect(lab.cloud.holders(first)).toEqual(["i-b"]);
    expect(a.running.problems()).toEqual([]);
  });

  it("does not go back while an ordinary address would cool", async () => {
    const lab = fixedLab();
    const a = await started(lab, [reservation(RANGE)], { "release-delay-seconds": 0, "cooling-seconds": 90 });
    const first = await addDb(lab, a, 1);
    await del(lab, a, 1);
    await lab.clock.advance(85_000);
    expect(lab.cloud.holders(first)).toEqual(["i-a"]);
    await lab.clock.advance(30_000);
    expect(lab.cloud.holders(first)).toEqual([]);
  });

  it("needs the reservation whole or in parts, of the explicit kind", async () => {
    const halves = [reservation("10.0.0.192/29"), reservation("10.0.0.200/29", "explicit", "scr-2")];
    for (const [reserved, isAway] of [
      [halves, true],
      [[reservation("10.0.0.128/25")], true],
      [[reservation(RANGE, "prefix")], false],
      [[{ ...reservation(RANGE), subnetId: "subnet-b" }], false],
    ] as const) {
      const lab = fixedLab();
      const a = await started(lab, reserved);
      const first = await parked(lab, a);
      expect(lab.cloud.holders(first)).toEqual(isAway ? [] : ["i-a"]);
      expect(state(a) === undefined).toBe(isAway);
    }
  });
});

describe("a fixed address of a range that is not reserved", () => {
  it("waits on the node, which names what is missing and the command that makes it", async () => {
    const lab = fixedLab();
    const a = await started(lab, [reservation("10.0.0.192/29")]);
    expect(state(a)?.error).toMatchObject({
      code: "ENID_FIXED_UNRESERVED",
      message: expect.stringContaining(`10.0.0.200/29 of ${SUBNET_A}`),
      remedy: expect.stringContaining(
        `aws ec2 create-subnet-cidr-reservation --subnet-id ${SUBNET_A} --cidr 10.0.0.200/29 --reservation-type explicit`,
      ),
    });
    expect(a.running.dryRun(0).plan.explanation).toContain(state(a)?.error.message);
    // Each address goes by itself: the reserved half may leave.
    const addresses: string[] = [];
    for (let n = 0; n < 16; n++) addresses.push(await addDb(lab, a, 10 + n, n));
    for (let n = 0; n < 16; n++) await del(lab, a, 10 + n);
    await lab.clock.advance(300_000);
    const here = addresses.filter((address) => lab.cloud.holders(address).length > 0);
    expect(here.length).toBeGreaterThan(0);
    expect(here.every((address) => Number(address.split(".")[3]) >= 200)).toBe(true);
    expect(addresses.filter((address) => address.startsWith("10.0.0.")).length).toBeGreaterThan(here.length);
    expect(a.running.problems()).toEqual([]);
  });

  it("goes once somebody has made the reservation", async () => {
    const lab = fixedLab();
    const a = await started(lab, []);
    const first = await parked(lab, a);
    expect(lab.cloud.holders(first)).toEqual(["i-a"]);
    a.provider.reserved = [reservation(RANGE)];
    await lab.clock.advance(LIMITS.reservationsAgainMs * 1.5 + 60_000);
    expect(state(a)).toBeUndefined();
    expect(lab.cloud.holders(first)).toEqual([]);
    expect(a.events.filter(({ name }) => name === "recovered")).toHaveLength(1);
  });

  it("tells of a prefix reservation that is in the way", async () => {
    const lab = fixedLab();
    const a = await started(lab, [reservation("10.0.0.0/24", "prefix", "scr-7")]);
    expect(state(a)?.error.remedy).toContain(
      "aws ec2 delete-subnet-cidr-reservation --subnet-cidr-reservation-id scr-7 && aws ec2 create-subnet-cidr-reservation",
    );
  });
});

describe("reservations that cannot be read", () => {
  it("count as none when EC2 refuses to show them, whatever was known", async () => {
    const lab = fixedLab();
    const a = await started(lab, [reservation(RANGE)]);
    expect(state(a)).toBeUndefined();
    const error = new EnidError(
      "ENID_EC2_UNAUTHORIZED",
      { action: "GetSubnetCidrReservations", detail: "denied" },
      { details: { class: "unauthorized", ec2Code: "UnauthorizedOperation", effect: "none" } },
    );
    for (let times = 0; times < 30; times++) a.provider.failures.push({ kind: "reservations", error });
    await lab.clock.advance(LIMITS.reservationsEveryMs * 1.3);
    expect(state(a)?.error).toMatchObject({
      code: "ENID_FIXED_RESERVATIONS_UNKNOWN",
      message: expect.stringContaining(`${RANGE} is reserved in ${SUBNET_A}`),
      remedy: expect.stringContaining("ec2:GetSubnetCidrReservations"),
    });
    const first = await parked(lab, a);
    expect(lab.cloud.holders(first)).toEqual(["i-a"]);
  });

  it("count as they were for two hours when EC2 is away", async () => {
    const lab = fixedLab();
    const a = await started(lab, [reservation(RANGE)]);
    const failure = { class: "transient", ec2Code: "ServiceUnavailable", effect: "none" } as const;
    for (let times = 0; times < 100; times++) a.provider.fail("reservations", failure);
    await lab.clock.advance(LIMITS.reservationsEveryMs * 1.3);
    expect(state(a)).toBeUndefined();
    const first = await parked(lab, a);
    expect(lab.cloud.holders(first)).toEqual([]);
    await lab.clock.advance(LIMITS.reservationsTrustedMs);
    expect(state(a)?.error.code).toBe("ENID_FIXED_RESERVATIONS_UNKNOWN");
    a.provider.failures.splice(0);
    await lab.clock.advance(LIMITS.reservationsAgainMs * 1.3);
    expect(state(a)).toBeUndefined();
  });
});

describe("the question for reservations", () => {
  it("is asked about hourly, and anew when the settings change", async () => {
    const lab = fixedLab();
    const a = await started(lab, [reservation(RANGE)]);
    const before = looks(a);
    await lab.clock.advance(5 * LIMITS.reservationsEveryMs);
    expect(looks(a) - before).toBeGreaterThanOrEqual(4);
    expect(looks(a) - before).toBeLessThanOrEqual(7);
    const hourly = looks(a);
    await a.running.setOverride("pre-allocate=5");
    await lab.clock.advance(2_000);
    expect(looks(a)).toBe(hourly);
    await a.running.setOverride("fixed-parking=node");
    await lab.clock.advance(5 * LIMITS.reservationsEveryMs);
    expect(looks(a)).toBe(hourly);
    await a.running.setOverride("fixed-parking=reservation");
    await lab.clock.advance(2_000);
    expect(looks(a)).toBe(hourly + 1);
  });

  it.each([
    ["fixed-parking is node", { "fixed-parking": "node" }],
    ["no rule names addresses", { fixed: [{ namespace: "shop", "stateful-set": "db" }] }],
    ["no subnet holds them", { fixed: [{ namespace: "shop", "stateful-set": "db", addresses: ["192.168.0.0/28"] }] }],
  ])("is not asked where %s", async (_why, more) => {
    const lab = fixedLab();
    const a = await started(lab, [], more);
    await lab.clock.advance(3 * LIMITS.reservationsEveryMs);
    expect([looks(a), state(a)]).toEqual([0, undefined]);
  });
});
