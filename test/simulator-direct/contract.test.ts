import {
  AssignIpv6AddressesCommand,
  AssignPrivateIpAddressesCommand,
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  DeleteNetworkInterfaceCommand,
  DescribeInstanceTypesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DetachNetworkInterfaceCommand,
  ModifyNetworkInterfaceAttributeCommand,
  UnassignIpv6AddressesCommand,
  UnassignPrivateIpAddressesCommand,
} from "@aws-sdk/client-ec2";
import { GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import { describe, expect, it } from "vitest";
import type { DirectAccess } from "../../src/providers/aws/index.ts";
import { EC2_ERROR_CASES, type FaultEffect } from "../../src/simulator/index.ts";
import {
  type CloudOptions,
  INSTANCE,
  NODE_GROUP,
  NODE_SUBNET,
  OTHER_SUBNET,
  POD_GROUP,
  POD_SUBNET,
  PRIMARY,
  VPC,
  withIpv6,
} from "../ec2/cloud.ts";
import { type Asked, ask, directSide, logOf, realSide } from "./sides.ts";

type Ec2Command = Parameters<DirectAccess["ec2"]["send"]>[0];

function ec2(command: object): Asked {
  const action = command.constructor.name.replace(/Command$/, "");
  return { action, send: (access, options) => access.ec2.send(command as Ec2Command, options) };
}

/** What an earlier answer said, for the commands after it. */
type Script = (remember: { interfaceId: string; attachmentId: string; token: string | undefined }) => Asked;

const CREATION = {
  SubnetId: POD_SUBNET,
  Groups: [POD_GROUP, NODE_GROUP],
  Description: "of <enid> & \"co\"  'äöü'",
  ClientToken: "token-1",
  TagSpecifications: [
    {
      ResourceType: "network-interface" as const,
      Tags: [
        { Key: "enid.io/managed", Value: "true" },
        { Key: "empty", Value: "" },
        { Key: "a&b", Value: "<c>" },
      ],
    },
  ],
};

/** A life of an interface: what the provider asks, in an order in which every answer has something in it. */
const LIFE: readonly (readonly [string, Script])[] = [
  ["the type", () => ec2(new DescribeInstanceTypesCommand({ InstanceTypes: ["m5.large"] }))],
  ["a type with several cards", () => ec2(new DescribeInstanceTypesCommand({ InstanceTypes: ["p4d.24xlarge"] }))],
  ["a type that is none", () => ec2(new DescribeInstanceTypesCommand({ InstanceTypes: ["m5.enormous" as never] }))],
  ["all subnets, two a page", () => ec2(new DescribeSubnetsCommand({ MaxResults: 5 }))],
  [
    "subnets by filters",
    () =>
      ec2(
        new DescribeSubnetsCommand({
          Filters: [
            { Name: "vpc-id", Values: [VPC] },
            { Name: "tag:pods", Values: ["true", "never"] },
          ],
        }),
      ),
  ],
  ["subnets by id", () => ec2(new DescribeSubnetsCommand({ SubnetIds: [NODE_SUBNET, OTHER_SUBNET] }))],
  [
    "groups by filter",
    () => ec2(new DescribeSecurityGroupsCommand({ Filters: [{ Name: "group-id", Values: [POD_GROUP] }] })),
  ],
  ["groups that do not exist", () => ec2(new DescribeSecurityGroupsCommand({ GroupIds: ["sg-0123456789abcdef0"] }))],
  ["an interface", () => ec2(new CreateNetworkInterfaceCommand({ ...CREATION, SecondaryPrivateIpAddressCount: 3 }))],
  ["the same again", () => ec2(new CreateNetworkInterfaceCommand({ ...CREATION, SecondaryPrivateIpAddressCount: 3 }))],
  [
    "another by its token",
    () => ec2(new CreateNetworkInterfaceCommand({ ...CREATION, SecondaryPrivateIpAddressCount: 4 })),
  ],
  [
    "one with prefixes of both families",
    () =>
      ec2(
        new CreateNetworkInterfaceCommand({
          ...CREATION,
          ClientToken: "token-2",
          Ipv4PrefixCount: 1,
          Ipv6PrefixCount: 1,
        }),
      ),
  ],
  [
    "one without IPv6 addresses",
    () =>
      ec2(
        new CreateNetworkInterfaceCommand({
          SubnetId: POD_SUBNET,
          Ipv6AddressCount: 0,
          Groups: [],
          ClientToken: "token-3",
        }),
      ),
  ],
  [
    "its attachment",
    ({ interfaceId }) =>
      ec2(
        new AttachNetworkInterfaceCommand({
          NetworkInterfaceId: interfaceId,
          InstanceId: INSTANCE,
          DeviceIndex: 1,
          NetworkCardIndex: 0,
        }),
      ),
  ],
  [
    "an attachment at a place that is taken",
    () => ec2(new AttachNetworkInterfaceCommand({ NetworkInterfaceId: PRIMARY, InstanceId: INSTANCE, DeviceIndex: 1 })),
  ],
  [
    "its deletion on termination",
    ({ interfaceId, attachmentId }) =>
      ec2(
        new ModifyNetworkInterfaceAttributeCommand({
          NetworkInterfaceId: interfaceId,
          Attachment: { AttachmentId: attachmentId, DeleteOnTermination: true },
        }),
      ),
  ],
  [
    "its groups",
    ({ interfaceId }) =>
      ec2(new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId: interfaceId, Groups: [POD_GROUP] })),
  ],
  [
    "further addresses",
    () => ec2(new AssignPrivateIpAddressesCommand({ NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: 2 })),
  ],
  [
    "named addresses",
    () =>
      ec2(
        new AssignPrivateIpAddressesCommand({
          NetworkInterfaceId: PRIMARY,
          PrivateIpAddresses: ["10.64.0.77", "10.64.0.78"],
          AllowReassignment: false,
        }),
      ),
  ],
  [
    "further prefixes",
    ({ interfaceId }) =>
      ec2(new AssignPrivateIpAddressesCommand({ NetworkInterfaceId: interfaceId, Ipv4PrefixCount: 2 })),
  ],
  [
    "more than fit",
    () => ec2(new AssignPrivateIpAddressesCommand({ NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: 20 })),
  ],
  ["IPv6 prefixes", () => ec2(new AssignIpv6AddressesCommand({ NetworkInterfaceId: PRIMARY, Ipv6PrefixCount: 2 }))],
  [
    "attached interfaces",
    () =>
      ec2(
        new DescribeNetworkInterfacesCommand({
          Filters: [{ Name: "attachment.instance-id", Values: [INSTANCE] }],
          MaxResults: 1_000,
        }),
      ),
  ],
  ["a first page", () => ec2(new DescribeNetworkInterfacesCommand({ MaxResults: 5 }))],
  [
    "the page after it",
    ({ token }) => ec2(new DescribeNetworkInterfacesCommand({ MaxResults: 5, ...(token && { NextToken: token }) })),
  ],
  ["no interface", () => ec2(new DescribeNetworkInterfacesCommand({ Filters: [{ Name: "status", Values: ["x"] }] }))],
  [
    "addresses back",
    () =>
      ec2(new UnassignPrivateIpAddressesCommand({ NetworkInterfaceId: PRIMARY, PrivateIpAddresses: ["10.64.0.77"] })),
  ],
  [
    "addresses back that are not on it",
    () =>
      ec2(new UnassignPrivateIpAddressesCommand({ NetworkInterfaceId: PRIMARY, PrivateIpAddresses: ["10.64.0.99"] })),
  ],
  [
    "IPv6 prefixes back that are not on it",
    () => ec2(new UnassignIpv6AddressesCommand({ NetworkInterfaceId: PRIMARY, Ipv6Prefixes: ["2600:1f14::/80"] })),
  ],
  ["a detach", ({ attachmentId }) => ec2(new DetachNetworkInterfaceCommand({ AttachmentId: attachmentId }))],
  [
    "a deletion too early",
    ({ interfaceId }) => ec2(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: interfaceId })),
  ],
  ["a dry run", () => ec2(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: PRIMARY, DryRun: true }))],
  [
    "nothing at all",
    () => ec2(new AssignPrivateIpAddressesCommand({ NetworkInterfaceId: undefined, PrivateIpAddresses: [] })),
  ],
  [
    "the account",
    () => ({
      action: "GetCallerIdentity",
      send: (access, options) => access.sts.send(new GetCallerIdentityCommand({}), options),
    }),
  ],
];

/** Many interfaces, so that a describe has pages; buckets are not what this is about. */
const CLOUDS: readonly (readonly [string, CloudOptions])[] = [
  ["IPv4", {}],
  ["dual stack", { model: withIpv6() }],
  ["several network cards", { type: "p4d.24xlarge" }],
];

describe("commands of the SDK, sent directly", () => {
  it.each(CLOUDS)(
    "come to what the real SDK makes of them (%s)",
    async (_, options) => {
      const model = { ...options.model, settings: { throttling: false } };
      const sides = [realSide({ ...options, model }), directSide({ ...options, model })] as const;
      for (const { cloud } of sides) for (let count = 0; count < 8; count++) cloud.place({ subnet: OTHER_SUBNET });
      const known = { interfaceId: "", attachmentId: "", token: undefined as string | undefined };
      let answered = 0;
      for (const [what, script] of LIFE) {
        const asked = script(known);
        const [real, direct] = [await ask(sides[0], asked), await ask(sides[1], asked)];
        expect(direct, what).toStrictEqual(real);
        const output = (direct.output ?? {}) as Record<string, unknown> & { NetworkInterface?: Record<string, string> };
        if (direct.output !== undefined) answered += 1;
        known.interfaceId ||= output.NetworkInterface?.NetworkInterfaceId ?? "";
        known.attachmentId ||= String(output.AttachmentId ?? "");
        known.token ??= output.NextToken as string | undefined;
      }
      expect(known.interfaceId).toMatch(/^eni-/);
      expect(known.attachmentId).toMatch(/^eni-attach-/);
      expect(known.token).toBeDefined();
      expect(answered).toBeGreaterThan(15);
      expect(logOf(sides[1])).toEqual(logOf(sides[0]));
      expect(logOf(sides[1])).toHaveLength(LIFE.length);
    },
    30_000,
  );

  it("are throttled as the real SDK sees it", async () => {
    const sides = [realSide(), directSide()] as const;
    const asked = ec2(
      new AssignPrivateIpAddressesCommand({ NetworkInterfaceId: "eni-0123456789abcdef0", Ipv4PrefixCount: 1 }),
    );
    for (const { cloud } of sides) {
      cloud.changeSettings({ speed: 1_000_000 });
      for (let count = 0; count < 1_000; count++) {
        try {
          cloud.call("AssignPrivateIpAddresses", {});
        } catch {}
      }
      cloud.changeSettings({ speed: 1 });
    }
    const [real, direct] = [await ask(sides[0], asked), await ask(sides[1], asked)];
    expect(direct).toEqual(real);
  });
});

const ASSIGN = ec2(
  new AssignPrivateIpAddressesCommand({ NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: 1 }),
);
const ACCOUNT: Asked = {
  action: "GetCallerIdentity",
  send: (access, options) => access.sts.send(new GetCallerIdentityCommand({}), options),
};

const FAULTS: readonly FaultEffect[] = [
  { kind: "lost-reply" },
  { kind: "reset" },
  { kind: "truncated" },
  { kind: "html" },
  { kind: "html", httpStatus: 404 },
  { kind: "html", httpStatus: 502 },
  { kind: "latency", delayMs: 3_000 },
  { kind: "latency", delayMs: 30_000 },
  { kind: "hang" },
  { kind: "hang", moment: "before" },
  { kind: "hang", moment: "after" },
  { kind: "settings", settings: { describeLagMs: 5_000 } },
  { kind: "error", code: "SomethingNew", message: "never heard of", httpStatus: 418 },
  { kind: "error", code: "SomethingNew" },
  {
    kind: "error",
    code: "UnauthorizedOperation",
    message: `Encoded authorization failure message: ${"x".repeat(900)}`,
  },
];

describe("faults of a call that is sent directly", () => {
  it.each([
    ["EC2", ASSIGN],
    ["STS", ACCOUNT],
  ] as const)(
    "are those that the real SDK throws (%s)",
    async (_, asked) => {
      const sides = [realSide({ model: withIpv6() }), directSide({ model: withIpv6() })] as const;
      for (const effect of FAULTS) {
        for (const { cloud } of sides) cloud.faults.add({ action: asked.action, effect });
        const [real, direct] = [await ask(sides[0], asked), await ask(sides[1], asked)];
        expect(direct, JSON.stringify(effect)).toEqual(real);
        expect(direct.tookMs).toBeLessThanOrEqual(10_000);
        for (const { clock } of sides) await clock.advance(60_000);
      }
      expect(logOf(sides[1])).toEqual(logOf(sides[0]));
      expect(logOf(sides[1])).toHaveLength(FAULTS.length);
    },
    30_000,
  );

  it("may cut off a refusal as well", async () => {
    const sides = [realSide(), directSide()] as const;
    const asked = ec2(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: "eni-0123456789abcdef0" }));
    for (const { cloud } of sides) cloud.faults.add({ action: asked.action, effect: { kind: "truncated" } });
    const [real, direct] = [await ask(sides[0], asked), await ask(sides[1], asked)];
    expect(direct).toEqual(real);
    expect(direct.thrown).toMatchObject({ Code: undefined, $metadata: { httpStatusCode: 400 } });
  });

  it("are every code of EC2, with its text", async () => {
    const sides = [realSide(), directSide()] as const;
    for (const { code, message } of EC2_ERROR_CASES) {
      for (const { cloud } of sides)
        cloud.faults.add({ action: ASSIGN.action, effect: { kind: "error", code, message } });
      const [real, direct] = [await ask(sides[0], ASSIGN), await ask(sides[1], ASSIGN)];
      expect(direct, code).toEqual(real);
      expect(direct.thrown).toMatchObject({ name: code, Code: code, message });
    }
    expect(logOf(sides[1])).toEqual(logOf(sides[0]));
  }, 30_000);
});
