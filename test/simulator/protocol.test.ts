import { CreateNetworkInterfaceCommand, DescribeSubnetsCommand } from "@aws-sdk/client-ec2";
import { AssumeRoleCommand, GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorOf, NODE_SUBNET, PRIMARY, type Running, running } from "./support.ts";

let run: Running;
beforeAll(async () => {
  run = await running({ throttling: false });
});
afterAll(() => run.close());

const post = async (form: string, headers: Record<string, string> = {}) => {
  const response = await fetch(run.simulator.endpoint, {
    method: "POST",
    body: form,
    headers: { "content-type": "application/x-www-form-urlencoded; charset=utf-8", ...headers },
  });
  return { status: response.status, headers: response.headers, body: await response.text() };
};

describe("the Query protocol", () => {
  test("answers with EC2's headers, namespace and request id", async () => {
    const { status, headers, body } = await post("Action=DescribeVpcs&Version=2016-11-15");
    expect(status).toBe(200);
    const requestId = headers.get("x-amzn-requestid") ?? "";
    expect(headers.get("content-type")).toBe("text/xml;charset=UTF-8");
    expect(headers.get("server")).toBe("AmazonEC2");
    expect(headers.get("transfer-encoding")).toBe("chunked");
    expect(body).toContain('<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">');
    expect(requestId).not.toBe("");
    expect(body).toContain(`<requestId>${requestId}</requestId>`);
  });

  test("renders an empty list as an empty element and escapes text", async () => {
    const none = await post("Action=DescribeVpcs&Version=2016-11-15&Filter.1.Name=vpc-id&Filter.1.Value.1=none");
    expect(none.body).toContain("<vpcSet/>");
    const description = encodeURIComponent("<a> & \"b\" 'c' \u0001");
    const made = await post(
      `Action=CreateNetworkInterface&Version=2016-11-15&SubnetId=${NODE_SUBNET}&Description=${description}`,
    );
    expect(made.body).toContain("<description>&lt;a&gt; &amp; &quot;b&quot; &apos;c&apos; \uFFFD</description>");
  });

  test("answers errors in EC2's form", async () => {
    const { status, body } = await post(
      "Action=DescribeSubnets&Version=2016-11-15&SubnetId.1=subnet-0000000000000ffff",
    );
    expect(status).toBe(400);
    expect(body).toContain(
      "<Response><Errors><Error><Code>InvalidSubnetID.NotFound</Code><Message>The subnet ID &apos;subnet-0000000000000ffff&apos; does not exist</Message></Error></Errors><RequestID>",
    );
  });

  test("reads lists by their numbers, not by their place", async () => {
    const list = "PrivateIpAddress.10=10.0.0.81&PrivateIpAddress.2=10.0.0.82&PrivateIpAddress.1=10.0.0.83";
    const { body } = await post(
      `Action=AssignPrivateIpAddresses&Version=2016-11-15&NetworkInterfaceId=${PRIMARY}&${list}`,
    );
    expect([...body.matchAll(/<privateIpAddress>([^<]*)</g)].map((match) => match[1])).toEqual([
      "10.0.0.83",
      "10.0.0.82",
      "10.0.0.81",
    ]);
  });

  test("takes GET with a query string too", async () => {
    const response = await fetch(`${run.simulator.endpoint}/?Action=DescribeVpcs&Version=2016-11-15&X-Amz-Date=now`);
    expect(response.status).toBe(200);
  });

  test.each([
    ["an unknown action", "Action=LaunchRockets&Version=2016-11-15", "InvalidAction"],
    ["an action that is a word of the language", "Action=constructor&Version=2016-11-15", "InvalidAction"],
    ["no action", "Version=2016-11-15", "MissingParameter"],
    ["no version", "Action=DescribeVpcs", "MissingParameter"],
    ["another version", "Action=DescribeVpcs&Version=2014-10-01", "NoSuchVersion"],
    ["an unknown parameter", "Action=DescribeVpcs&Version=2016-11-15&Colour=red", "UnknownParameter"],
    [
      "an unknown parameter inside a list",
      "Action=DescribeVpcs&Version=2016-11-15&Filter.1.Names=red",
      "UnknownParameter",
    ],
    [
      "a parameter given twice",
      "Action=DescribeVpcs&Version=2016-11-15&MaxResults=5&MaxResults=6",
      "MalformedQueryString",
    ],
    [
      "a value that is also a structure",
      "Action=DescribeVpcs&Version=2016-11-15&Filter=a&Filter.1.Name=b",
      "MalformedQueryString",
    ],
    ["a structure where a value belongs", "Action=DescribeVpcs&Version=2016-11-15&MaxResults.1=5", "UnknownParameter"],
    ["text where a number belongs", "Action=DescribeVpcs&Version=2016-11-15&MaxResults=many", "InvalidParameterValue"],
    [
      "text where a boolean belongs",
      `Action=DetachNetworkInterface&Version=2016-11-15&AttachmentId=eni-attach-00000000&Force=yes`,
      "InvalidParameterValue",
    ],
    ["a reserved name", "Action=DescribeVpcs&Version=2016-11-15&__proto__=1", "UnknownParameter"],
    ["an endless path", `Action=DescribeVpcs&Version=2016-11-15&${"a.".repeat(20)}b=1`, "MalformedQueryString"],
  ])("refuses %s", async (_what, form, code) => {
    const { status, body } = await post(form);
    expect(status).toBe(400);
    expect(body).toContain(`<Code>${code}</Code>`);
  });

  test("answers a dry run with 412 and changes nothing", async () => {
    const before = run.simulator.cloud.truth().interfaces.length;
    const dry = errorOf(run.ec2.send(new CreateNetworkInterfaceCommand({ SubnetId: NODE_SUBNET, DryRun: true })));
    expect(await dry).toEqual({
      name: "DryRunOperation",
      message: "Request would have succeeded, but DryRun flag is set.",
      status: 412,
    });
    expect(run.simulator.cloud.truth().interfaces.length).toBe(before);
    await run.ec2.send(new DescribeSubnetsCommand({ DryRun: false }));
  });

  test("reads at most 1 MiB", async () => {
    const { status } = await post(`Action=DescribeVpcs&Version=2016-11-15&Padding=${"x".repeat(1_100_000)}`);
    expect(status).toBe(413);
  });
});

describe("STS", () => {
  test("GetCallerIdentity names the account", async () => {
    const identity = await run.sts.send(new GetCallerIdentityCommand({}));
    expect(identity).toMatchObject({ Account: "111122223333", Arn: "arn:aws:iam::111122223333:user/simulated" });
    expect(identity.$metadata.requestId).toBeTypeOf("string");
  });

  test("AssumeRole gives credentials that GetCallerIdentity knows again", async () => {
    const RoleArn = "arn:aws:iam::444455556666:role/path/other";
    const { Credentials, AssumedRoleUser } = await run.sts.send(
      new AssumeRoleCommand({ RoleArn, RoleSessionName: "test" }),
    );
    expect(AssumedRoleUser?.Arn).toBe("arn:aws:sts::444455556666:assumed-role/other/test");
    expect(Credentials?.Expiration?.getTime()).toBeGreaterThan(Date.now() + 3_500_000);
    const headers = {
      authorization: `AWS4-HMAC-SHA256 Credential=${Credentials?.AccessKeyId}/20260101/eu-west-1/sts/aws4_request`,
    };
    const { body } = await post("Action=GetCallerIdentity&Version=2011-06-15", headers);
    expect(body).toContain("<Arn>arn:aws:sts::444455556666:assumed-role/other/test</Arn>");
    expect(body).toContain(
      '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>',
    );
    expect(body).toContain("<ResponseMetadata><RequestId>");
  });

  test("refuses in STS's own form", async () => {
    const refused = errorOf(
      run.sts.send(new AssumeRoleCommand({ RoleArn: "arn:of:no:role", RoleSessionName: "test" })),
    );
    expect(await refused).toMatchObject({ name: "ValidationError", status: 400 });
    const { body } = await post("Action=GetFederationToken&Version=2011-06-15");
    expect(body).toContain("<ErrorResponse");
    expect(body).toContain("<Type>Sender</Type><Code>InvalidAction</Code>");
  });
});
