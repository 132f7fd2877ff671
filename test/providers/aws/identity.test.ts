import { describe, expect, it } from "vitest";
import type { EnidError } from "../../../src/errors.ts";
import { limitsFromEc2 } from "../../../src/providers/aws/limits.ts";
import { actions, aNode } from "./driving.ts";
import { INSTANCE, NODE_SUBNET, PRIMARY, VPC } from "./harness.ts";
import { rejection, serve } from "./support.ts";

describe("who the node is", () => {
  it("comes from metadata, the account from STS, the limits from EC2", async () => {
    const node = await aNode();
    expect(await node.provider.identify()).toEqual({
      instanceId: INSTANCE,
      instanceType: "m5.large",
      region: "eu-central-1",
      availabilityZone: "eu-central-1a",
      vpcId: VPC,
      vpcCidrs: ["10.64.0.0/16"],
      accountId: "123456789012",
      primaryInterfaceId: PRIMARY,
      primarySubnetId: NODE_SUBNET,
      limits: { maxInterfaces: 3, ipv4PerInterface: 10, source: "ec2", hypervisor: "nitro", bareMetal: false },
    });
  });

  it("is asked for once, however many ask", async () => {
    const node = await aNode();
    await Promise.all([node.provider.identify(), node.provider.identify(), node.provider.observe("metadata")]);
    await node.provider.identify();
    expect(actions(node)).toEqual(["DescribeInstanceTypes"]);
  });

  it.each([
    ["refuses", { kind: "error", code: "AccessDenied" }],
    ["does not answer", { kind: "hang" }],
  ] as const)("takes the instance's account for it when STS %s", async (_, effect) => {
    const node = await aNode();
    node.fault("GetCallerIdentity", effect);
    expect(await node.provider.identify()).toMatchObject({ accountId: "123456789012", instanceId: INSTANCE });
    expect(node.telemetry.eventNames()).toEqual(["account-unknown"]);
  });

  it("takes the limits from the table, with an event, when EC2 does not tell them", async () => {
    const node = await aNode();
    node.fault("DescribeInstanceTypes", { kind: "error", code: "UnauthorizedOperation" });
    expect((await node.provider.identify()).limits).toEqual({
      maxInterfaces: 3,
      ipv4PerInterface: 10,
      source: "table",
      hypervisor: "nitro",
      bareMetal: false,
    });
    expect(node.telemetry.eventNames()).toEqual(["limits-from-table"]);
  });

  it("tries a throttled describe again", async () => {
    const node = await aNode();
    node.fault("DescribeInstanceTypes", { kind: "error", code: "RequestLimitExceeded" }, { times: 2 });
    expect((await node.provider.identify()).limits.source).toBe("ec2");
    expect(node.telemetry.eventNames()).toEqual(["ec2-rate-lowered"]);
  });

  it("fails while metadata is away and succeeds when it is back", async () => {
    const node = await aNode();
    node.settings({ metadataOutage: "hang" });
    const error = (await rejection(node.provider.identify())) as EnidError;
    expect(error.code).toBe("ENID_METADATA_UNREACHABLE");
    expect(error.message).toContain("HttpPutResponseHopLimit");
    node.settings({ metadataOutage: "none" });
    expect(await node.provider.identify()).toMatchObject({ instanceId: INSTANCE });
  });

  it("says that the type is unknown when neither EC2 nor the table knows it", async () => {
    const metadata = await serve((request, response) => {
      const folder = "/latest/meta-data/network/interfaces/macs/02:00:00:00:00:01";
      const tree: Record<string, string> = {
        "/latest/api/token": "token",
        "/latest/dynamic/instance-identity/document": JSON.stringify({
          instanceId: INSTANCE,
          instanceType: "zz9.large",
          region: "eu-central-1",
          availabilityZone: "eu-central-1a",
        }),
        "/latest/meta-data/mac": "02:00:00:00:00:01",
        [`${folder}/vpc-id`]: VPC,
        [`${folder}/interface-id`]: PRIMARY,
        [`${folder}/subnet-id`]: NODE_SUBNET,
      };
      response.end(tree[request.url ?? ""]);
    });
    try {
      const node = await aNode({ environment: { AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.url } });
      const error = (await rejection(node.provider.identify())) as EnidError;
      expect(error.code).toBe("ENID_INSTANCE_TYPE_UNKNOWN");
      expect(error.message).toContain("zz9.large");
      expect(error.message).toContain("InvalidInstanceType");
    } finally {
      await metadata.close();
    }
  });
});

describe("the limits in EC2's answer", () => {
  it("are those of the default card", () => {
    const limits = limitsFromEc2({
      Hypervisor: "nitro",
      NetworkInfo: {
        MaximumNetworkInterfaces: 60,
        DefaultNetworkCardIndex: 0,
        Ipv4AddressesPerInterface: 50,
        NetworkCards: [
          { NetworkCardIndex: 1, MaximumNetworkInterfaces: 14 },
          { NetworkCardIndex: 0, MaximumNetworkInterfaces: 15 },
        ],
      },
    });
    expect(limits).toMatchObject({ maxInterfaces: 15, ipv4PerInterface: 50 });
  });

  it("are unknown when a figure is missing", () => {
    expect(limitsFromEc2({})).toBeUndefined();
    expect(limitsFromEc2({ NetworkInfo: { MaximumNetworkInterfaces: 3 } })).toBeUndefined();
  });

  it("name no hypervisor on bare metal", () => {
    const NetworkInfo = { MaximumNetworkInterfaces: 15, Ipv4AddressesPerInterface: 50 };
    expect(limitsFromEc2({ NetworkInfo, BareMetal: true })).toMatchObject({ hypervisor: "", bareMetal: true });
  });
});
