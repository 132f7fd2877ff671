import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock, systemRandom } from "../../../src/adapters/index.ts";
import { EnidError } from "../../../src/errors.ts";
import {
  type AwsProviderOptions,
  checkPermissions,
  PERMISSIONS,
  type PermissionReport,
  type PermissionSettings,
} from "../../../src/providers/aws/index.ts";
import { aNode } from "./driving.ts";
import {
  INSTANCE,
  NODE_GROUP,
  NODE_SUBNET,
  NOTHING_SAID,
  type Node,
  POD_GROUP,
  POD_SUBNET,
  PRIMARY,
} from "./harness.ts";
import { QUICK, RecordingTelemetry, rejection } from "./support.ts";

const ALLOWED: PermissionSettings = {
  selection: { ...NOTHING_SAID, subnetTags: { "enid.io/pods": "true" } },
  families: "ipv4",
  clusterName: "blue",
  primaryCarriesPods: true,
  parksInReservations: false,
};
const WITHOUT_DRY_RUN = PERMISSIONS.map(({ action }) => action).filter((action) => /^(Una|A)ssign/.test(action));

type Answer = { readonly code: string; readonly message: string } | undefined;

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

/** An EC2 that judges calls before the simulator sees them, and may change what they ask for. */
async function front(
  node: Node,
  judge: (action: string, parameters: URLSearchParams) => Answer,
): Promise<{ readonly url: string; readonly seen: URLSearchParams[] }> {
  const upstream = node.simulator.environment(INSTANCE).AWS_ENDPOINT_URL_EC2 ?? "";
  const seen: URLSearchParams[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const parameters = new URLSearchParams(Buffer.concat(chunks).toString());
    seen.push(new URLSearchParams(parameters));
    const refused = judge(parameters.get("Action") ?? "", parameters);
    if (refused !== undefined) {
      response.writeHead(403, { "x-amzn-requestid": "r-1" });
      response.end(
        `<Response><Errors><Error><Code>${refused.code}</Code><Message>${refused.message}</Message></Error></Errors><RequestID>r-1</RequestID></Response>`,
      );
      return;
    }
    const headers = {
      authorization: request.headers.authorization ?? "",
      "content-type": "application/x-www-form-urlencoded",
    };
    const answer = await fetch(upstream, { method: "POST", headers, body: parameters.toString() });
    response.writeHead(answer.status, { "x-amzn-requestid": answer.headers.get("x-amzn-requestid") ?? "" });
    response.end(await answer.text());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push({
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

function optionsOf(node: Node, more: Partial<AwsProviderOptions> = {}): AwsProviderOptions {
  return {
    clock: systemClock,
    random: systemRandom,
    telemetry: new RecordingTelemetry(),
    environment: node.simulator.environment(INSTANCE),
    limits: QUICK,
    ...more,
  };
}

const lineOf = (report: PermissionReport, action: string) => report.checks.find((one) => one.action === action);

/** An interface that enid made in the cluster, attached to the node. */
function interfaceOfCluster(node: Node): string {
  const made = node.simulator.cloud.call(
    "CreateNetworkInterface",
    {
      SubnetId: POD_SUBNET,
      SecurityGroupId: [POD_GROUP],
      TagSpecification: [{ ResourceType: "network-interface", Tag: [{ Key: "enid.io/cluster", Value: "blue" }] }],
    },
    { caller: "foreign" },
  ) as { networkInterface: { networkInterfaceId: string } };
  const { networkInterfaceId } = made.networkInterface;
  node.simulator.cloud.call(
    "AttachNetworkInterface",
    { NetworkInterfaceId: networkInterfaceId, InstanceId: INSTANCE, DeviceIndex: "1" },
    { caller: "foreign" },
  );
  return networkInterfaceId;
}

const denial = (
  action: string,
  resource: string,
  why = `no identity-based policy allows the ec2:${action} action`,
) => ({
  code: "UnauthorizedOperation",
  message: `You are not authorized to perform this operation. User: arn:aws:sts::123456789012:assumed-role/node/i-1 is not authorized to perform: ec2:${action} on resource: arn:aws:ec2:eu-central-1:123456789012:${resource} because ${why}. Encoded authorization failure message: abc`,
});

describe("the check of permissions", () => {
  it("tries every action, finds all allowed where nothing is denied, and changes nothing", async () => {
    const node = await aNode();
    const made = interfaceOfCluster(node);
    const { url, seen } = await front(node, () => undefined);
    const before = JSON.stringify(
      node.simulator.cloud
        .truth()
        .interfaces.map(({ attachment, ...rest }) => ({ ...rest, attachment: attachment?.id })),
    );
    const report = await checkPermissions(optionsOf(node, { endpoints: { ec2: url } }), ALLOWED);
    expect(report.checks.map(({ action }) => action)).toEqual(PERMISSIONS.map(({ action }) => action));
    expect(report.checks.filter(({ verdict }) => verdict !== "allowed")).toEqual([]);
    expect(report).toMatchObject({ instanceId: INSTANCE, region: "eu-central-1", notes: [] });
    // The allowed subnet, and the addresses of the primary interface too.
    expect(lineOf(report, "CreateNetworkInterface")?.on).toBe(`${POD_SUBNET} with ${NODE_GROUP}`);
    expect(lineOf(report, "AssignPrivateIpAddresses")?.on).toBe(`${PRIMARY}, ${made}`);
    expect(lineOf(report, "DetachNetworkInterface")?.on).toBe(`${made} and ${INSTANCE}`);

    const changes = seen.filter((one) => !one.get("Action")?.startsWith("Describe"));
    expect(new Set(changes.map((one) => one.get("Action")))).toEqual(
      new Set(
        PERMISSIONS.filter(({ action, within }) => within === undefined && !action.startsWith("Describe")).map(
          ({ action }) => action,
        ),
      ),
    );
    for (const call of changes) {
      if (!WITHOUT_DRY_RUN.includes(call.get("Action") ?? "")) expect(call.get("DryRun"), String(call)).toBe("true");
    }
    expect(node.calls({ mutating: true }).filter((call) => call.hadEffect)).toEqual([]);
    const after = JSON.stringify(
      node.simulator.cloud
        .truth()
        .interfaces.map(({ attachment, ...rest }) => ({ ...rest, attachment: attachment?.id })),
    );
    expect(after).toBe(before);
  });

  it.each(PERMISSIONS.filter(({ within }) => within === undefined).map((one) => [one.action, one] as const))(
    "says which statements grant %s when it is denied",
    async (action, { grantors }) => {
      const node = await aNode();
      interfaceOfCluster(node);
      // Without details, as EC2 answered until 2023.
      const answer = { code: "UnauthorizedOperation", message: "You are not authorized to perform this operation." };
      const { url } = await front(node, (asked) => (asked === action ? answer : undefined));
      const report = await checkPermissions(optionsOf(node, { endpoints: { ec2: url } }), ALLOWED);
      const line = lineOf(report, action);
      expect(line).toMatchObject({ verdict: "denied", statements: grantors.map(({ sid }) => sid) });
      for (const { sid, condition } of grantors) {
        expect(line?.detail).toContain(`statement ${sid}`);
        if (condition !== undefined) expect(line?.detail).toContain(`or its condition does not hold: ${condition}`);
      }
      const related = action === "CreateNetworkInterface" ? ["CreateTags"] : [];
      const others = report.checks.filter((one) => one.action !== action && !related.includes(one.action));
      if (!action.startsWith("Describe")) expect(others.every(({ verdict }) => verdict === "allowed")).toBe(true);
    },
  );

  it("does not take the primary interface's missing tag for a missing statement", async () => {
    const node = await aNode();
    node.simulator.cloud.deny(["DeleteNetworkInterface", "AssignPrivateIpAddresses"]);
    const report = await checkPermissions(optionsOf(node), ALLOWED);
    const line = lineOf(report, "DeleteNetworkInterface");
    expect(line).toMatchObject({ verdict: "unknown", statements: ["ChangeInterfacesOfCluster"] });
    expect(line?.detail).toBe(
      `refused on ${PRIMARY}, which lacks the tag that ChangeInterfacesOfCluster asks for; try again once an interface of the cluster has it`,
    );
    // That statement has no condition of tags.
    expect(lineOf(report, "AssignPrivateIpAddresses")).toMatchObject({
      verdict: "denied",
      statements: ["ChangeAddresses"],
    });
  });

  it.each([
    ["AttachNetworkInterface", "instance/i-0a000000000000001", "ChangeInstancesOfCluster"],
    ["AttachNetworkInterface", "network-interface/eni-1", "ChangeInterfacesOfCluster"],
    ["ModifyNetworkInterfaceAttribute", "security-group/sg-1", "ChangeSecurityGroups"],
    ["CreateNetworkInterface", "subnet/subnet-1", "CreateInSubnets"],
    ["CreateNetworkInterface", "security-group/sg-1", "CreateWithSecurityGroups"],
    ["CreateNetworkInterface", "network-interface/*", "CreateTaggedInterfaces"],
  ])("names for %s the statement about %s alone when EC2 names the resource", async (action, resource, sid) => {
    const node = await aNode();
    interfaceOfCluster(node);
    const { url } = await front(node, (asked) => (asked === action ? denial(action, resource) : undefined));
    const report = await checkPermissions(optionsOf(node, { endpoints: { ec2: url } }), ALLOWED);
    expect(lineOf(report, action)).toMatchObject({ verdict: "denied", statements: [sid] });
  });

  it("says that an explicit deny is not helped by a statement", async () => {
    const node = await aNode();
    const because = "with an explicit deny in a service control policy";
    const refused = denial("AssignPrivateIpAddresses", "network-interface/eni-1");
    const answer = { ...refused, message: refused.message.replace(/because .*? action/, because) };
    const { url } = await front(node, (asked) => (asked === "AssignPrivateIpAddresses" ? answer : undefined));
    const report = await checkPermissions(optionsOf(node, { endpoints: { ec2: url } }), ALLOWED);
    expect(lineOf(report, "AssignPrivateIpAddresses")).toMatchObject({
      verdict: "denied",
      statements: [],
      detail: "a service control policy denies it explicitly; no statement that allows it helps",
    });
  });

  it.each([
    ["EC2 names it", denial("CreateTags", "network-interface/*"), "unknown"],
    [
      "only the tagged creation is refused",
      { code: "UnauthorizedOperation", message: "You are not authorized." },
      "allowed",
    ],
  ])("tells a missing ec2:CreateTags from a missing creation: %s", async (_, answer, creation) => {
    const node = await aNode();
    const { url } = await front(node, (action, parameters) =>
      action === "CreateNetworkInterface" && parameters.has("TagSpecification.1.ResourceType") ? answer : undefined,
    );
    const report = await checkPermissions(optionsOf(node, { endpoints: { ec2: url } }), ALLOWED);
    expect(lineOf(report, "CreateTags")).toMatchObject({ verdict: "denied", statements: ["TagWhileCreating"] });
    expect(lineOf(report, "CreateNetworkInterface")?.verdict).toBe(creation);
  });

  it("marks what only certain settings need", async () => {
    const node = await aNode();
    const needed = async (settings: PermissionSettings) => {
      const { checks } = await checkPermissions(optionsOf(node), settings);
      return checks.flatMap((one) => (one.needed && one.neededFor !== "always" ? [one.action] : []));
    };
    expect(await needed(ALLOWED)).toEqual([]);
    expect(await needed({ ...ALLOWED, families: "dual" })).toEqual(["AssignIpv6Addresses", "UnassignIpv6Addresses"]);
    const selection = { ...ALLOWED.selection, securityGroups: [POD_GROUP] };
    expect(await needed({ ...ALLOWED, selection })).toEqual(["DescribeSecurityGroups"]);
  });

  it("goes on with what metadata knows where the describes are denied, and says so", async () => {
    const node = await aNode();
    node.simulator.cloud.deny(["Describe*"]);
    const report = await checkPermissions(optionsOf(node), ALLOWED);
    expect(report.checks.filter(({ verdict }) => verdict === "denied").map(({ action }) => action)).toEqual([
      "DescribeSubnets",
      "DescribeNetworkInterfaces",
      "DescribeInstanceTypes",
      "DescribeSecurityGroups",
    ]);
    expect(lineOf(report, "CreateNetworkInterface")).toMatchObject({
      verdict: "allowed",
      on: `${NODE_SUBNET} with ${NODE_GROUP}`,
    });
    expect(lineOf(report, "DetachNetworkInterface")).toMatchObject({
      verdict: "unknown",
      detail: `EC2 did not tell the attachment of ${PRIMARY}`,
    });
    expect(report.notes.map((note) => note.split(":")[0])).toEqual([
      `tried in ${NODE_SUBNET}, the node's own subnet`,
      `tried on ${PRIMARY}, the primary interface, as metadata shows it`,
    ]);
  });

  it("tries no change of a cloud that does not honour DryRun", async () => {
    const node = await aNode();
    const { url, seen } = await front(node, (_, parameters) => void parameters.delete("DryRun"));
    const error = await rejection(checkPermissions(optionsOf(node, { endpoints: { ec2: url } }), ALLOWED));
    expect(error).toMatchObject({ code: "ENID_REFUSED" });
    expect(String(error)).toContain("carried out DescribeSubnets instead of a dry run");
    expect(seen.map((one) => one.get("Action"))).toEqual(["DescribeSubnets"]);
  });

  it("fails as a whole without credentials, and without an answer", async () => {
    const node = await aNode();
    const { url } = await front(node, () => ({ code: "AuthFailure", message: "AWS was not able to validate" }));
    const refused = await rejection(checkPermissions(optionsOf(node, { endpoints: { ec2: url } }), ALLOWED));
    expect(refused).toMatchObject({ code: "ENID_EC2_UNAUTHORIZED" });
    const away = await rejection(
      checkPermissions(optionsOf(node, { endpoints: { ec2: "http://127.0.0.1:9" } }), ALLOWED),
    );
    expect(away).toBeInstanceOf(EnidError);
    expect(away).toMatchObject({ code: "ENID_EC2_UNREACHABLE" });
  });
});
