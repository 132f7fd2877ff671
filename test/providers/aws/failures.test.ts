import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:net";
import { EC2Client } from "@aws-sdk/client-ec2";
import { afterEach, describe, expect, it } from "vitest";
import type { EnidError } from "../../../src/errors.ts";
import { FAILURE_CLASSES } from "../../../src/manager/ports/index.ts";
import { Ec2 } from "../../../src/providers/aws/ec2.ts";
import { Ec2Transport } from "../../../src/providers/aws/ec2-transport.ts";
import { ec2FailureOf, FAILURE_RULES } from "../../../src/providers/aws/failures.ts";
import { MutationQueues } from "../../../src/providers/aws/mutation-queues.ts";
import { QUICK, quickWorld, rejection, serve } from "./support.ts";

const errorDocument = (code: string, message: string) =>
  `<?xml version="1.0" encoding="UTF-8"?><Response><Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors><RequestID>r</RequestID></Response>`;

describe("failures of EC2 calls", () => {
  const open: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
  });

  function edge(url: string) {
    const world = quickWorld();
    const client = new EC2Client({
      region: "eu-west-1",
      endpoint: url,
      maxAttempts: 1,
      credentials: { accessKeyId: "a", secretAccessKey: "b" },
      requestHandler: {
        connectionTimeout: QUICK.connectTimeoutMs,
        requestTimeout: QUICK.requestTimeoutMs,
        socketTimeout: QUICK.requestTimeoutMs,
        throwOnRequestTimeout: true,
      },
    });
    const ec2 = new Ec2(client, new Ec2Transport(world, new MutationQueues(4)));
    open.push(ec2);
    return { ec2, world };
  }

  async function answering(answer: (request: IncomingMessage, response: ServerResponse) => void) {
    const server = await serve(answer);
    open.push(server);
    return { server, ...edge(server.url) };
  }

  const assign = (ec2: Ec2) => ec2.assign({ interfaceId: "eni-1", subnetId: "subnet-1", count: 2 });

  async function failureOfAssign(answer: (request: IncomingMessage, response: ServerResponse) => void) {
    const { ec2, server } = await answering(answer);
    const error = (await rejection(assign(ec2))) as EnidError;
    expect(server.requests).toHaveLength(1);
    return { error, failure: ec2FailureOf(error) };
  }

  const refuse = (status: number, code: string, message: string) => (_: IncomingMessage, response: ServerResponse) => {
    response.writeHead(status, { "x-amzn-requestid": "req-1" }).end(errorDocument(code, message));
  };

  it("every rule gives its class and effect for what EC2 sends", async () => {
    const samples = new Map<RegExp, string>(
      FAILURE_RULES.flatMap((rule) => {
        if (rule.message === undefined) return [];
        const sample = MESSAGES.find((message) => rule.message?.test(message));
        return sample === undefined ? [] : [[rule.message, sample] as const];
      }),
    );
    let next: { code: string; message: string } = { code: "", message: "" };
    const { server } = await answering((_, response) => {
      response.writeHead(400).end(errorDocument(next.code, next.message));
    });
    for (const rule of FAILURE_RULES) {
      if (rule.code === "CredentialsProviderError") continue;
      // One that knows of no throttling yet.
      const { ec2 } = edge(server.url);
      next = {
        code: rule.code === "*" ? "InvalidParameterCombination" : rule.code,
        message: rule.message === undefined ? "plain" : (samples.get(rule.message) ?? "no sample"),
      };
      const failure = ec2FailureOf(await rejection(assign(ec2)));
      expect(failure, next.code).toMatchObject({ class: rule.class, effect: rule.effect, ec2Code: next.code });
      expect(failure?.symptom, next.code).toBe(rule.symptom);
      expect(FAILURE_CLASSES).toContain(failure?.class);
    }
  });

  it("carries the action, the subnet and the request id", async () => {
    const { error, failure } = await failureOfAssign(refuse(400, "InsufficientFreeAddressesInSubnet", "full"));
    expect(failure).toMatchObject({ action: "AssignPrivateIpAddresses", subnetId: "subnet-1", requestId: "req-1" });
    expect(error.code).toBe("ENID_SUBNET_EMPTY");
    expect(error.message).toBe("subnet subnet-1 has too few free addresses");
  });

  it("a throttled call had no effect and is a 503 all the same", async () => {
    const { error, failure } = await failureOfAssign(refuse(503, "RequestLimitExceeded", "Request limit exceeded."));
    expect(failure).toMatchObject({ class: "throttled", effect: "none" });
    expect(error.code).toBe("ENID_EC2_THROTTLED");
    expect(error.message).toContain("next try after a pause");
  });

  it("shortens the encoded part of a permission error", async () => {
    const blob = "x".repeat(900);
    const message = `You are not authorized to perform this operation. Encoded authorization failure message: ${blob}`;
    const { error, failure } = await failureOfAssign(refuse(403, "UnauthorizedOperation", message));
    expect(failure?.class).toBe("unauthorized");
    expect(error.code).toBe("ENID_EC2_UNAUTHORIZED");
    expect(error.message).toContain("You are not authorized");
    expect(error.message).toContain("(900 characters)");
    expect(error.message.length).toBeLessThan(250);
  });

  it("a server error without a rule has an unknown effect", async () => {
    const { failure } = await failureOfAssign(refuse(500, "SomethingNew", "?"));
    expect(failure).toMatchObject({ class: "transient", effect: "unknown", ec2Code: "SomethingNew" });
  });

  it("a page of HTML with 503 has an unknown effect", async () => {
    const { error, failure } = await failureOfAssign((_, response) => {
      response.writeHead(503, { "content-type": "text/html" }).end("<html><body>Service Unavailable</body></html>");
    });
    expect(failure).toMatchObject({ class: "transient", effect: "unknown", ec2Code: "HTTP 503" });
    expect(error.code).toBe("ENID_EC2_UNREACHABLE");
  });

  it.each([
    ["cut inside the document", "<AssignPrivateIpAddressesResponse><requestId>x</requ"],
    ["empty", ""],
    [
      "without its result",
      "<AssignPrivateIpAddressesResponse><return>true</return></AssignPrivateIpAddressesResponse>",
    ],
  ])("an answer with 200 that is %s has an unknown effect", async (_, body) => {
    const { error, failure } = await failureOfAssign((_request, response) => response.end(body));
    expect(failure).toMatchObject({ class: "transient", effect: "unknown" });
    expect(error.message).not.toContain("$response");
  });

  it("an answer that breaks off has an unknown effect", async () => {
    const { failure } = await failureOfAssign((request, response) => {
      response.writeHead(200, { "content-length": "1000" }).write("<Assign");
      request.socket.end();
    });
    expect(failure).toMatchObject({ class: "transient", effect: "unknown" });
  });

  it("a lost connection has an unknown effect: the request may have arrived", async () => {
    const { failure } = await failureOfAssign((request) => request.socket.resetAndDestroy());
    expect(failure).toMatchObject({ class: "transient", effect: "unknown", ec2Code: "ECONNRESET" });
  });

  it("silence ends at the limit with an unknown effect", async () => {
    const { failure } = await failureOfAssign(() => undefined);
    expect(failure).toMatchObject({ class: "transient", effect: "unknown" });
  });

  it("an answer that falls silent ends at the limit with an unknown effect", async () => {
    const { failure } = await failureOfAssign((_, response) => {
      response.writeHead(200, { "content-length": "1000" }).write("<Assign");
    });
    expect(failure).toMatchObject({ class: "transient", effect: "unknown" });
  });

  it("a refused connection certainly had no effect", async () => {
    const unused = createServer();
    await new Promise<void>((resolve) => unused.listen(0, "127.0.0.1", resolve));
    const { port } = unused.address() as { port: number };
    await new Promise((resolve) => unused.close(resolve));
    const { ec2 } = edge(`http://127.0.0.1:${port}`);
    const error = (await rejection(assign(ec2))) as EnidError;
    expect(ec2FailureOf(error)).toMatchObject({ class: "transient", effect: "none", ec2Code: "ECONNREFUSED" });
    expect(error.code).toBe("ENID_EC2_UNREACHABLE");
  });

  it("cancelling while waiting for the turn has no effect, cancelling a sent call an unknown one", async () => {
    const { ec2, server } = await answering(() => undefined);
    const stop = new AbortController();
    const request = { interfaceId: "eni-1", subnetId: "subnet-1", count: 1 };
    const sent = rejection(ec2.assign(request, stop.signal));
    const waiting = rejection(ec2.assign(request, stop.signal));
    await expect.poll(() => server.requests.length).toBe(1);
    stop.abort(new Error("shutting down"));
    expect(ec2FailureOf(await sent)).toMatchObject({ effect: "unknown", ec2Code: "Cancelled" });
    expect(ec2FailureOf(await waiting)).toMatchObject({ effect: "none" });
    expect(server.requests).toHaveLength(1);
  });

  it("describes are tried again after passing failures, and only after those", async () => {
    const answers = [
      (response: ServerResponse) => response.writeHead(503).end(errorDocument("RequestLimitExceeded", "slow down")),
      (response: ServerResponse) => response.writeHead(503).end("<html></html>"),
      (response: ServerResponse) =>
        response.end("<DescribeSubnetsResponse><requestId>x</requestId><subnetSet/></DescribeSubnetsResponse>"),
      (response: ServerResponse) => response.writeHead(403).end(errorDocument("UnauthorizedOperation", "no")),
    ];
    const { ec2, server, world } = await answering((_, response) => answers.shift()?.(response));
    expect(await ec2.describeSubnets({ "vpc-id": ["vpc-1"] })).toEqual([]);
    expect(server.requests).toHaveLength(3);
    await rejection(ec2.describeSubnets({ "vpc-id": ["vpc-1"] }));
    expect(server.requests).toHaveLength(4);
    expect(world.telemetry.calls.map((call) => call.code)).toEqual([
      "RequestLimitExceeded",
      "HTTP 503",
      "ok",
      "UnauthorizedOperation",
    ]);
  });

  it("refuses a describe that would list the whole account", async () => {
    const { ec2, server } = await answering((_, response) => response.end());
    expect(await rejection(ec2.describeInterfaces({ "network-interface-id": [] }))).toMatchObject({
      code: "ENID_INTERNAL",
    });
    expect(server.requests).toHaveLength(0);
  });
});

/** As EC2 words them. */
const MESSAGES = [
  "The subnet 'subnet-1' does not have an IPv6 CIDR block associated with it.",
  "There aren't sufficient free Ipv4 addresses or prefixes",
  "Instance 'i-0abc' already has an interface attached at device index '1'.",
  "[10.0.0.9] assigned, but move is not allowed.",
  "Address 10.0.0.9 is not one of the secondary-addresses of interface eni-0abc",
  "Address is in subnet's reserved address range",
  "Some of the specified addresses are not assigned to interface eni-0abc",
  "Network interface 'eni-0abc' is currently in use.",
];
