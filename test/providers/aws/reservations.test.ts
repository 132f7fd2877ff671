import { describe, expect, it } from "vitest";
import { systemClock, systemRandom } from "../../../src/adapters/index.ts";
import { dryRunAgainstCloud } from "../../../src/cli/dry-run.ts";
import { effectiveSettings, readConfiguration } from "../../../src/configuration/index.ts";
import { checkPermissions } from "../../../src/providers/aws/index.ts";
import { actions, aNode, readyNode } from "./driving.ts";
import { INSTANCE, NOTHING_SAID, type Node, POD_SUBNET, SECOND_POD_SUBNET } from "./harness.ts";
import { QUICK, RecordingTelemetry, rejection } from "./support.ts";

const reserve = (node: Node, SubnetId: string, Cidr: string, ReservationType = "explicit") =>
  node.simulator.cloud.call("CreateSubnetCidrReservation", { SubnetId, Cidr, ReservationType }, { caller: "foreign" });

const reservationsOf = ({ provider }: Node, subnetIds: readonly string[]) =>
  provider.reservations?.(subnetIds) ?? Promise.reject(new Error("the provider knows no reservations"));

describe("the reservations of subnets", () => {
  it("are read with one call for each subnet, and none for none", async () => {
    const node = await readyNode();
    reserve(node, POD_SUBNET, "10.64.1.192/26");
    reserve(node, SECOND_POD_SUBNET, "10.64.2.0/28", "prefix");
    node.simulator.cloud.log.reset();
    expect(await reservationsOf(node, [])).toEqual([]);
    expect(actions(node)).toEqual([]);
    expect(await reservationsOf(node, [SECOND_POD_SUBNET, POD_SUBNET])).toMatchObject([
      { subnetId: SECOND_POD_SUBNET, cidr: "10.64.2.0/28", kind: "prefix" },
      { subnetId: POD_SUBNET, cidr: "10.64.1.192/26", kind: "explicit" },
    ]);
    expect(actions(node)).toEqual(["GetSubnetCidrReservations", "GetSubnetCidrReservations"]);
  });

  it("that EC2 does not show are an error that says so", async () => {
    const node = await readyNode();
    node.simulator.cloud.deny(["GetSubnetCidrReservations"]);
    const error = await rejection(reservationsOf(node, [POD_SUBNET]));
    expect(error).toMatchObject({ code: "ENID_EC2_UNAUTHORIZED", details: { class: "unauthorized", effect: "none" } });
  });

  it("are a permission that is needed where fixed addresses wait in them", async () => {
    const node = await aNode();
    node.simulator.cloud.deny(["GetSubnetCidrReservations"]);
    const options = {
      clock: systemClock,
      random: systemRandom,
      telemetry: new RecordingTelemetry(),
      environment: node.simulator.environment(INSTANCE),
      limits: QUICK,
    };
    for (const parksInReservations of [true, false]) {
      const { checks } = await checkPermissions(options, {
        selection: { ...NOTHING_SAID, subnetTags: { "enid.io/pods": "true" } },
        families: "ipv4",
        clusterName: "blue",
        primaryCarriesPods: true,
        parksInReservations,
      });
      expect(checks.find(({ action }) => action === "GetSubnetCidrReservations")).toMatchObject({
        verdict: "denied",
        needed: parksInReservations,
        neededFor: "fixed-parking reservation",
        statements: ["Look"],
        on: POD_SUBNET,
      });
    }
  });
});

describe("a plan without the daemon", () => {
  const settings = (parking: "node" | "reservation") => {
    const file = {
      cniVersion: "1.0.0",
      name: "enid",
      type: "enid-ipam",
      eni: { "subnet-tags": { "enid.io/pods": "true" } },
      ipam: {
        type: "enid-ipam",
        fixed: [{ namespace: "shop", "stateful-set": "db", addresses: ["10.64.1.192/26"] }],
        "fixed-parking": parking,
      },
      fleet: { redis: ["127.0.0.1:6379"] },
    };
    return effectiveSettings(
      readConfiguration(new TextEncoder().encode(JSON.stringify(file)), "/etc/cni/net.d/05-enid.conf"),
      {},
    );
  };
  const explained = async (node: Node, parking: "node" | "reservation") =>
    (
      await dryRunAgainstCloud({
        provider: node.provider,
        settings: settings(parking),
        waiting: 0,
        clock: systemClock,
      })
    ).plan.explanation.join("\n");

  it("names the range that is not reserved and the command that reserves it", async () => {
    const node = await aNode();
    reserve(node, POD_SUBNET, "10.64.1.192/27");
    expect(await explained(node, "reservation")).toContain(
      `aws ec2 create-subnet-cidr-reservation --subnet-id ${POD_SUBNET} --cidr 10.64.1.224/27 --reservation-type explicit`,
    );
    expect(await explained(node, "node")).not.toContain("reservation");
    reserve(node, POD_SUBNET, "10.64.1.224/27");
    expect(await explained(node, "reservation")).not.toContain("reservation");
    node.simulator.cloud.deny(["GetSubnetCidrReservations"]);
    expect(await explained(node, "reservation")).toContain("cannot be read");
  });
});
