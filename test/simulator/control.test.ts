import { DescribeInstancesCommand } from "@aws-sdk/client-ec2";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NODE, NODE_SUBNET, PRIMARY, type Running, running, SMALL_SUBNET } from "./support.ts";

let run: Running;
beforeEach(async () => {
  run = await running();
});
afterEach(() => run.close());

const control = async (method: string, path: string, body?: unknown) => {
  const response = await fetch(`${run.simulator.endpoint}/_simulator/${path}`, {
    method,
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as Record<string, never> & { error?: string } };
};
const ok = async (method: string, path: string, body?: unknown) => {
  const { status, json } = await control(method, path, body);
  expect(status, JSON.stringify(json)).toBe(200);
  return json as unknown as Record<string, unknown>;
};
const assign = (count: number) => ({
  action: "AssignPrivateIpAddresses",
  parameters: { NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: count },
});
interface State {
  interfaces: { id: string; secondaryAddresses: string[]; tags: Record<string, string> }[];
  subnets: { id: string; freeAddresses: number; usedByOthers: number }[];
  orphans: string[];
}
const state = async () => (await ok("GET", "state")) as unknown as State;

describe("the control endpoint", () => {
  test("lists its calls", async () => {
    const { calls } = await ok("GET", "");
    expect(calls).toContain("GET /_simulator/state");
    expect(calls).toContain("PATCH /_simulator/settings");
  });

  test("shows the truth while the views lag, and changes settings", async () => {
    await ok("PATCH", "settings", { describeLagMs: 60_000 });
    await ok("POST", "foreign-calls", assign(2));
    const { interfaces } = await state();
    expect(interfaces.find((one) => one.id === PRIMARY)?.secondaryAddresses).toHaveLength(2);
    const described = (await run.ec2.send(new DescribeInstancesCommand({}))).Reservations?.flatMap(
      (one) => one.Instances ?? [],
    );
    const primary = described
      ?.flatMap((one) => one.NetworkInterfaces ?? [])
      .find((one) => one.NetworkInterfaceId === PRIMARY);
    expect(primary?.PrivateIpAddresses).toHaveLength(1);
    expect(await ok("GET", "settings")).toMatchObject({ describeLagMs: { minMs: 60_000, maxMs: 60_000 } });
  });

  test("logs and counts calls, and forgets them", async () => {
    await run.ec2.send(new DescribeInstancesCommand({ InstanceIds: [NODE] }));
    await ok("POST", "foreign-calls", assign(1));
    const { calls } = (await ok("GET", "calls")) as { calls: Record<string, unknown>[] };
    expect(calls).toMatchObject([
      {
        sequence: 1,
        action: "DescribeInstances",
        parameters: { InstanceId: [NODE] },
        isMutating: false,
        code: "",
        attempt: 1,
        caller: "client",
        accessKeyId: "AKIATEST",
      },
      { sequence: 2, action: "AssignPrivateIpAddresses", isMutating: true, hadEffect: true, caller: "foreign" },
    ]);
    expect(calls[0]?.invocationId).toMatch(/^[0-9a-f-]{36}$/);
    expect((await ok("GET", "calls?action=DescribeInstances")).calls).toHaveLength(1);
    expect((await ok("GET", "calls?after=1")).calls).toHaveLength(1);
    expect((await ok("GET", "counts")).counts).toEqual({
      DescribeInstances: { requests: 1, succeeded: 1, throttled: 0, failed: 0, isMutating: false },
    });
    await ok("DELETE", "calls");
    expect((await ok("GET", "counts")).counts).toEqual({});
  });

  test("sets and clears faults", async () => {
    const made = await ok("POST", "faults", {
      action: "DescribeInstances",
      effect: { kind: "error", code: "UnauthorizedOperation" },
      times: "unlimited",
    });
    await expect(run.ec2.send(new DescribeInstancesCommand({}))).rejects.toMatchObject({
      name: "UnauthorizedOperation",
    });
    expect((await ok("GET", "faults")).faults).toMatchObject([{ id: made.id, seen: 1, hits: 1 }]);
    expect(await ok("DELETE", `faults/${made.id}`)).toEqual({ removed: 1 });
    await run.ec2.send(new DescribeInstancesCommand({}));
    await ok("POST", "faults", { action: "*", effect: { kind: "reset" } });
    expect(await ok("DELETE", "faults")).toEqual({ removed: 1 });
  });

  test("plays the foreign hand: detaches, deletes, takes addresses", async () => {
    const created = await ok("POST", "foreign-calls", {
      action: "CreateNetworkInterface",
      parameters: {
        SubnetId: NODE_SUBNET,
        TagSpecification: [{ ResourceType: "network-interface", Tag: [{ Key: "who", Value: "other" }] }],
      },
    });
    const id = (created.networkInterface as { networkInterfaceId: string }).networkInterfaceId;
    const seen = await state();
    expect(seen.orphans).toContain(id);
    expect(seen.interfaces.filter((one) => one.tags.who === "other").map((one) => one.id)).toEqual([id]);
    await ok("DELETE", `interfaces/${id}`);
    expect((await state()).orphans).not.toContain(id);
    expect(await ok("POST", `subnets/${SMALL_SUBNET}/others`, { count: 9 })).toEqual({ taken: 9 });
    expect(await ok("POST", `subnets/${SMALL_SUBNET}/others`, { count: 9 })).toEqual({ taken: 2 });
    const small = async () => (await state()).subnets.find((one) => one.id === SMALL_SUBNET);
    expect(await small()).toMatchObject({ freeAddresses: 0, usedByOthers: 11 });
    expect(await ok("DELETE", `subnets/${SMALL_SUBNET}/others`, { addresses: ["10.0.1.4"] })).toEqual({ given: 1 });
    expect(await ok("DELETE", `subnets/${SMALL_SUBNET}/others`)).toEqual({ given: 10 });
    expect(await small()).toMatchObject({ freeAddresses: 11, usedByOthers: 0 });
  });

  test("starts and terminates instances with their metadata", async () => {
    const { instance, environment } = (await ok("POST", "instances", {
      type: "c5.large",
      subnet: NODE_SUBNET,
      tags: { Name: "late" },
    })) as {
      instance: { id: string };
      environment: Record<string, string>;
    };
    expect(await ok("GET", `instances/${instance.id}/environment`)).toEqual(environment);
    expect(run.simulator.environment(instance.id)).toEqual(environment);
    await ok("PATCH", `instances/${instance.id}/metadata`, { tokens: "optional" });
    const url = `${environment.AWS_EC2_METADATA_SERVICE_ENDPOINT}/latest/meta-data/instance-type`;
    expect(await (await fetch(url)).text()).toBe("c5.large");
    await ok("DELETE", `instances/${instance.id}`);
    await expect(fetch(url)).rejects.toThrow();
  });

  test.each([
    ["an unknown call", "GET", "nothing", undefined, 404, "no control call"],
    ["a wrong method", "POST", "state", undefined, 405, "takes GET"],
    ["a body that is not JSON", "POST", "faults", "{", 400, "not JSON"],
    ["a fault without effect", "POST", "faults", { action: "*" }, 400, "effect"],
    ["an unknown effect", "POST", "faults", { action: "*", effect: { kind: "fire" } }, 400, "must be one of"],
    [
      "an effect with a foreign key",
      "POST",
      "faults",
      { action: "*", effect: { kind: "reset", code: "x" } },
      400,
      'unknown key "code"',
    ],
    ["an error without code", "POST", "faults", { action: "*", effect: { kind: "error" } }, 400, "code"],
    ["an unknown setting", "PATCH", "settings", { lag: 1 }, 400, 'unknown key "lag"'],
    ["a negative duration", "PATCH", "settings", { describeLagMs: -1 }, 400, "describeLagMs"],
    [
      "a span that ends before it begins",
      "PATCH",
      "settings",
      { attachMs: { minMs: 2, maxMs: 1 } },
      400,
      "minMs above maxMs",
    ],
    [
      "an instance of an unknown type",
      "POST",
      "instances",
      { type: "zz.large", subnet: NODE_SUBNET },
      409,
      "InvalidInstanceType",
    ],
    [
      "an instance at a taken address",
      "POST",
      "instances",
      { id: "i-0000000000000000f", type: "m5.large", subnet: NODE_SUBNET, primaryAddress: "10.0.0.10" },
      409,
      "taken already: 10.0.0.10",
    ],
    ["an unknown instance", "DELETE", "instances/i-0000000000000ffff", undefined, 409, "InvalidInstanceID.NotFound"],
    ["the environment of an unknown instance", "GET", "instances/i-1/environment", undefined, 404, "no instance i-1"],
    ["a foreign call that EC2 refuses", "POST", "foreign-calls", assign(99), 409, "PrivateIpAddressLimitExceeded"],
    [
      "an unknown subnet",
      "POST",
      "subnets/subnet-0000000000000ffff/others",
      { count: 1 },
      409,
      "InvalidSubnetID.NotFound",
    ],
  ])("refuses %s and says why", async (_what, method, path, body, status, text) => {
    const answer = await control(method, path, body);
    expect(answer.status).toBe(status);
    expect(answer.json.error).toContain(text);
    expect(run.simulator.cloud.instanceIds()).toHaveLength(3);
  });
});
