import { DescribeNetworkInterfacesCommand } from "@aws-sdk/client-ec2";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  DUAL_NODE,
  DUAL_PRIMARY,
  DUAL_SUBNET,
  fullModel,
  OTHER_ACCOUNT,
  OTHER_KEY,
  PLAIN_SUBNET,
  TRUNK,
} from "./full-model.ts";
import { errorOf, laboratory, type Running, refusalOf, running } from "./support.ts";

let run: Running;
beforeEach(async () => {
  run = await running({}, { maxAttempts: 1 }, fullModel());
});
afterEach(() => run.close());

const control = async (method: string, path: string, body?: unknown) => {
  const response = await fetch(`${run.simulator.endpoint}/_simulator/${path}`, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
};
const shown = async (id: string) => {
  const { NetworkInterfaces } = await run.ec2.send(new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [id] }));
  return NetworkInterfaces?.[0];
};

describe("a foreign hand", () => {
  test("assigns, unassigns and deletes behind the owner's back, uncounted", () => {
    const { cloud } = laboratory({}, 1, fullModel());
    cloud.deny(["*"]);
    cloud.changeSettings({ buckets: { AssignPrivateIpAddresses: { capacity: 1, refillPerSecond: 0 } } });
    const target = { NetworkInterfaceId: DUAL_PRIMARY };
    for (const address of ["10.6.0.50", "10.6.0.51"]) {
      cloud.foreignCall("AssignPrivateIpAddresses", { ...target, PrivateIpAddress: [address] });
    }
    cloud.foreignCall("UnassignPrivateIpAddresses", { ...target, PrivateIpAddress: ["10.6.0.50"] });
    const now = cloud.truth().interfaces.find((one) => one.id === DUAL_PRIMARY);
    expect(now?.secondaryAddresses).toEqual(["10.6.0.51"]);
    cloud.erase(DUAL_PRIMARY);
    expect(cloud.truth().interfaces.map((one) => one.id)).not.toContain(DUAL_PRIMARY);
    expect(cloud.log.counts()).toEqual({});
    expect(refusalOf(() => cloud.erase(DUAL_PRIMARY)).code).toBe("InvalidNetworkInterfaceID.NotFound");
  });

  test("changes tags, groups, description and deletion of any interface, and views show it after their lag", async () => {
    const { cloud } = run.simulator;
    cloud.changeSettings({ describeLagMs: 60_000 });
    cloud.changeInterface(DUAL_PRIMARY, { description: "theirs" });
    expect((await shown(DUAL_PRIMARY))?.Description).toBe("");
    cloud.changeSettings({ describeLagMs: 0 });
    const answer = await control("PATCH", `interfaces/${TRUNK}`, {
      tags: { theirs: "yes" },
      securityGroups: ["sg-00000000000000061"],
      deleteOnTermination: true,
    });
    expect(answer).toMatchObject({ status: 200, json: { interface: { tags: { theirs: "yes" } } } });
    expect(await shown(TRUNK)).toMatchObject({
      TagSet: [{ Key: "theirs", Value: "yes" }],
      Groups: [{ GroupId: "sg-00000000000000061" }],
      Attachment: { DeleteOnTermination: true },
    });
    const refused = await control("PATCH", `interfaces/${TRUNK}`, { securityGroups: ["sg-00000000000000099"] });
    expect(refused).toMatchObject({ status: 409, json: { error: expect.stringContaining("InvalidGroup.NotFound") } });
  });
});

describe("the control endpoint", () => {
  test("places interfaces", async () => {
    const body = {
      subnet: PLAIN_SUBNET,
      interfaceType: "trunk",
      attachment: { instance: DUAL_NODE, deviceIndex: 1 },
      tags: { of: "controller" },
    };
    const { status, json } = await control("POST", "interfaces", body);
    expect(status).toBe(200);
    const { id } = json.interface as { id: string };
    expect(await shown(id)).toMatchObject({ RequesterManaged: true, InterfaceType: "trunk", Status: "in-use" });
    expect((await control("POST", "interfaces", { ...body, colour: "red" })).status).toBe(400);
  });

  test("fragments and defragments a subnet", async () => {
    expect((await control("POST", `subnets/${DUAL_SUBNET}/fragments`)).json).toEqual({ taken: 14 });
    expect((await control("DELETE", `subnets/${DUAL_SUBNET}/fragments`)).json).toEqual({ given: 14 });
    expect((await control("POST", "subnets/subnet-00000000000000099/fragments")).status).toBe(409);
  });

  test("shows accounts and their state, and denies actions", async () => {
    const { json } = await control("GET", "accounts");
    expect(json.accounts).toMatchObject([{ deniedActions: [] }, { account: OTHER_ACCOUNT }]);
    expect((await control("PATCH", `accounts/${OTHER_ACCOUNT}`, { deniedActions: ["Describe*"] })).status).toBe(200);
    const call = () => run.simulator.cloud.call("DescribeVpcs", {}, { accessKeyId: OTHER_KEY });
    expect(refusalOf(call).code).toBe("UnauthorizedOperation");
    await shown(DUAL_PRIMARY);
    expect((await control("GET", `state?account=${OTHER_ACCOUNT}`)).json).toMatchObject({ account: OTHER_ACCOUNT });
    expect((await control("GET", "state?account=999999999999")).status).toBe(404);
    expect((await control("PATCH", `accounts/${OTHER_ACCOUNT}`, { deniedActions: ["a b"] })).status).toBe(400);
    expect((await control("PATCH", "accounts/999999999999", { deniedActions: [] })).status).toBe(404);
  });

  test("lists EC2's codes", async () => {
    const { json } = await control("GET", "error-codes");
    expect((json.errors as { code: string }[]).map((one) => one.code)).toContain("InsufficientCidrBlocks");
  });

  test("makes a call of the other account as its foreign hand", async () => {
    const body = { action: "DescribeInstances", account: OTHER_ACCOUNT };
    const { json } = await control("POST", "foreign-calls", body);
    expect(JSON.stringify(json)).toContain("i-000000000000000a1");
    const unknown = { action: "DescribeInstances", account: "999999999999" };
    expect((await control("POST", "foreign-calls", unknown)).status).toBe(404);
  });
});

test("an unknown interface of another account is not found by its neighbour", async () => {
  const { cloud } = run.simulator;
  const call = () =>
    cloud.call("DeleteNetworkInterface", { NetworkInterfaceId: DUAL_PRIMARY }, { accessKeyId: OTHER_KEY });
  expect(refusalOf(call).code).toBe("InvalidNetworkInterfaceID.NotFound");
  expect((await errorOf(shown("eni-00000000000000099"))).name).toBe("InvalidNetworkInterfaceID.NotFound");
});
