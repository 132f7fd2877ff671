import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Result } from "../../src/simulator/index.ts";
import { CARD_NODE, laboratory, NODE, NODE_SUBNET, PRIMARY, type Running, running, XEN_NODE } from "./support.ts";

type Lab = ReturnType<typeof laboratory>;
const BASE = "/latest/meta-data";

/** A metadata reader in process that fetches its own token. */
function reader(lab: Lab, instanceId = NODE) {
  const ask = (method: string, path: string, headers: Record<string, string> = {}) => {
    const answer = lab.cloud.metadata(instanceId, { method, path, headers });
    return answer.kind === "reply" ? answer : { kind: answer.kind, status: 0, headers: {}, body: "" };
  };
  const put = (headers: Record<string, string>, path = "/latest/api/token") => ask("PUT", path, headers);
  const token = put({ "x-aws-ec2-metadata-token-ttl-seconds": "21600" }).body;
  const get = (path: string) => {
    const { status, body } = ask("GET", path, { "x-aws-ec2-metadata-token": token });
    return status === 200 ? body : status;
  };
  return { ask, put, get, token };
}

const attachNew = (
  { cloud }: Lab,
  more: Record<string, number> = {},
): { id: string; mac: string; attachmentId: string } => {
  const made = cloud.call("CreateNetworkInterface", { SubnetId: NODE_SUBNET, ...more }).networkInterface as Result;
  const id = String(made.networkInterfaceId);
  const answer = cloud.call("AttachNetworkInterface", { NetworkInterfaceId: id, InstanceId: NODE, DeviceIndex: 1 });
  return { id, mac: String(made.macAddress), attachmentId: String(answer.attachmentId) };
};

describe("tokens", () => {
  test("are given for 1 to 21600 seconds, with the TTL echoed", () => {
    const { put } = reader(laboratory());
    const good = put({ "x-aws-ec2-metadata-token-ttl-seconds": "60" });
    expect(good).toMatchObject({ status: 200, headers: { "x-aws-ec2-metadata-token-ttl-seconds": "60" } });
    expect(good.body).not.toBe("");
    expect(put({}).status).toBe(400);
    for (const ttl of ["0", "21601", "-1", "x", ""]) {
      expect(put({ "x-aws-ec2-metadata-token-ttl-seconds": ttl }).status, ttl).toBe(400);
    }
  });

  test("are refused behind a proxy and at dated paths", () => {
    const { put } = reader(laboratory());
    const ttl = { "x-aws-ec2-metadata-token-ttl-seconds": "60" };
    expect(put({ ...ttl, "x-forwarded-for": "10.0.0.1" }).status).toBe(403);
    expect(put(ttl, "/2021-07-15/api/token").status).toBe(403);
  });

  test("are needed, expire, and belong to one instance", () => {
    const lab = laboratory();
    const { ask, put } = reader(lab);
    const token = put({ "x-aws-ec2-metadata-token-ttl-seconds": "60" }).body;
    const read = (header?: string, reading = ask) =>
      reading("GET", `${BASE}/instance-id`, header === undefined ? {} : { "x-aws-ec2-metadata-token": header });
    expect(read()).toMatchObject({ status: 401 });
    expect(read("nonsense")).toMatchObject({ status: 401 });
    expect(read(token)).toMatchObject({ status: 200, body: NODE });
    expect(read(token, reader(lab, XEN_NODE).ask)).toMatchObject({ status: 401 });
    lab.clock.advance(59_999);
    expect(read(token).status).toBe(200);
    lab.clock.advance(1);
    expect(read(token).status).toBe(401);
  });

  test("are optional where the instance says so, and a wrong one still fails", () => {
    const lab = laboratory();
    lab.cloud.changeMetadataOptions(NODE, { tokens: "optional" });
    const { ask } = reader(lab);
    expect(ask("GET", `${BASE}/instance-id`).status).toBe(200);
    expect(ask("GET", `${BASE}/instance-id`, { "x-aws-ec2-metadata-token": "nonsense" }).status).toBe(401);
    lab.cloud.changeMetadataOptions(NODE, { enabled: false });
    expect(ask("GET", `${BASE}/instance-id`).status).toBe(403);
  });

  test("never arrive beyond the hop limit", () => {
    const lab = laboratory();
    lab.cloud.changeMetadataOptions(NODE, { hopLimit: 1, callerHops: 2 });
    expect(reader(lab).put({ "x-aws-ec2-metadata-token-ttl-seconds": "60" }).kind).toBe("hang");
  });
});

describe("the tree", () => {
  test("shows the instance", () => {
    const { get } = reader(laboratory());
    expect(get("/")).toContain("latest");
    expect(get(`${BASE}/instance-id`)).toBe(NODE);
    expect(get("/2021-07-15/meta-data/instance-type")).toBe("m5.large");
    expect(get(`${BASE}/local-ipv4`)).toBe("10.0.0.10");
    expect(get(`${BASE}/placement/availability-zone`)).toBe("eu-west-1a");
    expect(get(`${BASE}/placement/availability-zone-id`)).toBe("euw1-az1");
    expect(get(`${BASE}/placement/region`)).toBe("eu-west-1");
    expect(get(`${BASE}/services/domain`)).toBe("amazonaws.com");
    expect(get(`${BASE}/placement/`)).toBe("availability-zone\navailability-zone-id\nregion");
    expect(get(BASE)).toContain("\nnetwork/\n");
    expect(get(`${BASE}/ipv6`)).toBe(404);
    expect(get("/1999-01-01/meta-data/")).toBe(404);
    const document = JSON.parse(String(get("/latest/dynamic/instance-identity/document")));
    expect(document).toMatchObject({
      accountId: "111122223333",
      instanceId: NODE,
      region: "eu-west-1",
      version: "2017-09-30",
      privateIp: "10.0.0.10",
    });
  });

  test("shows each interface under its MAC", () => {
    const lab = laboratory();
    lab.cloud.call("AssignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, PrivateIpAddress: ["10.0.0.77"] });
    const { get } = reader(lab);
    const mac = String(get(`${BASE}/mac`));
    const macs = `${BASE}/network/interfaces/macs/`;
    expect(get(macs)).toBe(`${mac}/`);
    const of = (key: string) => get(`${macs}${mac}/${key}`);
    expect(of("device-number")).toBe("0");
    expect(of("interface-id")).toBe(PRIMARY);
    expect(of("local-ipv4s")).toBe("10.0.0.10\n10.0.0.77");
    expect(of("subnet-id")).toBe(NODE_SUBNET);
    expect(of("subnet-ipv4-cidr-block")).toBe("10.0.0.0/24");
    expect(of("vpc-ipv4-cidr-block")).toBe("10.0.0.0/16");
    expect(of("vpc-ipv4-cidr-blocks")).toBe("10.0.0.0/16\n100.64.0.0/16");
    expect(of("security-groups")).toBe("nodes");
    expect(of("ipv4-prefix")).toBe(404);
    expect(of("ipv6s")).toBe(404);
    expect(of("network-card")).toBe(404);
    lab.cloud.call("AssignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, Ipv4Prefix: ["10.0.0.224/28"] });
    expect(of("ipv4-prefix")).toBe("10.0.0.224/28");
    const cards = reader(lab, CARD_NODE);
    expect(cards.get(`${macs}${cards.get(`${BASE}/mac`)}/network-card`)).toBe("0");
  });

  test("answers an unknown path with an XHTML page", () => {
    const { ask, token } = reader(laboratory());
    const answer = ask("GET", `${BASE}/nothing`, { "x-aws-ec2-metadata-token": token });
    expect(answer).toMatchObject({ status: 404, headers: { "content-type": "text/html" } });
    expect(answer.body).toContain("<title>404 - Not Found</title>");
  });

  test("shows instance tags only when they are switched on", () => {
    const lab = laboratory();
    const { get } = reader(lab);
    expect(get(`${BASE}/tags/instance/Name`)).toBe(404);
    lab.cloud.changeMetadataOptions(NODE, { instanceTags: true });
    expect(get(`${BASE}/tags/instance/Name`)).toBe("node");
    expect(get(`${BASE}/tags/instance/kubernetes.io%2Fcluster%2Ftest`)).toBe("owned");
  });

  test("gives the role's credentials, and new ones in the last hour of their life", () => {
    const lab = laboratory();
    const { get } = reader(lab);
    expect(get(`${BASE}/iam/security-credentials/`)).toBe("enid-node");
    const first = JSON.parse(String(get(`${BASE}/iam/security-credentials/enid-node`)));
    expect(first).toMatchObject({ Code: "Success", Type: "AWS-HMAC" });
    expect(JSON.parse(String(get(`${BASE}/iam/security-credentials/enid-node`))).AccessKeyId).toBe(first.AccessKeyId);
    const identity = lab.cloud.call("GetCallerIdentity", {}, { accessKeyId: first.AccessKeyId });
    expect(identity.Arn).toBe(`arn:aws:sts::111122223333:assumed-role/enid-node/${NODE}`);
    lab.clock.advance(5 * 3_600_000);
    const later = JSON.parse(String(reader(lab).get(`${BASE}/iam/security-credentials/enid-node`)));
    expect(later.AccessKeyId).not.toBe(first.AccessKeyId);
  });
});

describe("metadata lags", () => {
  const macs = `${BASE}/network/interfaces/macs/`;

  test("a new interface shows first nothing, then its bare MAC with device number 0, then everything", () => {
    const lab = laboratory({ metadataLagMs: 10_000 });
    const { get } = reader(lab);
    const { id, mac } = attachNew(lab, { SecondaryPrivateIpAddressCount: 1 });
    expect(get(macs)).not.toContain(mac);
    lab.clock.advance(5_000);
    expect(get(macs)).toContain(mac);
    expect(get(`${macs}${mac}/`)).toBe("device-number\nmac");
    expect(get(`${macs}${mac}/device-number`)).toBe("0");
    expect(get(`${macs}${mac}/local-ipv4s`)).toBe(404);
    lab.clock.advance(5_000);
    expect(get(`${macs}${mac}/device-number`)).toBe("1");
    expect(get(`${macs}${mac}/interface-id`)).toBe(id);
    expect(String(get(`${macs}${mac}/local-ipv4s`)).split("\n")).toHaveLength(2);
  });

  test("new addresses show late and a detached interface stays for a while", () => {
    const lab = laboratory({ metadataLagMs: 10_000 });
    const { get } = reader(lab);
    const { id, mac, attachmentId } = attachNew(lab);
    lab.clock.advance(10_000);
    lab.cloud.call("AssignPrivateIpAddresses", { NetworkInterfaceId: id, SecondaryPrivateIpAddressCount: 1 });
    const count = () => String(get(`${macs}${mac}/local-ipv4s`)).split("\n").length;
    expect(count()).toBe(1);
    lab.clock.advance(10_000);
    expect(count()).toBe(2);
    lab.cloud.call("DetachNetworkInterface", { AttachmentId: attachmentId, Force: true });
    lab.cloud.call("DeleteNetworkInterface", { NetworkInterfaceId: id });
    lab.clock.advance(9_999);
    expect(get(macs)).toContain(mac);
    lab.clock.advance(10_001);
    expect(get(macs)).not.toContain(mac);
  });

  test("a moved address shows late where it came, and long where it was", () => {
    const lab = laboratory({ metadataLagMs: 10_000 });
    const { get } = reader(lab);
    const { id, mac } = attachNew(lab);
    lab.clock.advance(10_000);
    const primary = String(get(`${BASE}/mac`));
    const call = (NetworkInterfaceId: string, more: object = {}) =>
      lab.cloud.call("AssignPrivateIpAddresses", { NetworkInterfaceId, PrivateIpAddress: ["10.0.0.211"], ...more });
    const shownBy = () =>
      [primary, mac].filter((one) =>
        String(get(`${macs}${one}/local-ipv4s`))
          .split("\n")
          .includes("10.0.0.211"),
      );
    call(PRIMARY);
    lab.clock.advance(10_000);
    expect(shownBy()).toEqual([primary]);
    call(id, { AllowReassignment: "true" });
    lab.clock.advance(9_999);
    expect(shownBy()).toEqual([primary]);
    lab.clock.advance(1);
    expect(shownBy()).toEqual([mac]);
  });

  test("outages answer 500, hang or close", () => {
    const lab = laboratory();
    const { ask } = reader(lab);
    lab.cloud.changeSettings({ metadataOutage: "error" });
    expect(ask("GET", BASE).status).toBe(500);
    for (const metadataOutage of ["hang", "reset"] as const) {
      lab.cloud.changeSettings({ metadataOutage });
      expect(ask("GET", BASE).kind).toBe(metadataOutage);
    }
    lab.cloud.changeSettings({ metadataOutage: "none" });
    lab.cloud.terminate(NODE);
    expect(ask("GET", BASE).kind).toBe("reset");
  });
});

describe("over HTTP", () => {
  let run: Running;
  beforeAll(async () => {
    run = await running();
  });
  afterAll(() => run.close());

  const fetchToken = async (endpoint: string) => {
    const headers = { "x-aws-ec2-metadata-token-ttl-seconds": "60" };
    return (await fetch(`${endpoint}/latest/api/token`, { method: "PUT", headers })).text();
  };

  test("each instance has its own endpoint", async () => {
    for (const id of [NODE, XEN_NODE]) {
      const endpoint = run.simulator.metadataEndpoint(id);
      const headers = { "x-aws-ec2-metadata-token": await fetchToken(endpoint) };
      expect(await (await fetch(`${endpoint}${BASE}/instance-id`, { headers })).text()).toBe(id);
      const head = await fetch(`${endpoint}${BASE}/instance-id`, { headers, method: "HEAD" });
      expect([head.status, await head.text()]).toEqual([200, ""]);
    }
    expect(() => run.simulator.metadataEndpoint("i-0000000000000ffff")).toThrow(/has no instance/);
  });

  test("a hang lasts until the caller gives up", async () => {
    run.simulator.cloud.changeMetadataOptions(XEN_NODE, { hopLimit: 1, callerHops: 2 });
    const signal = AbortSignal.timeout(200);
    const headers = { "x-aws-ec2-metadata-token-ttl-seconds": "60" };
    const url = `${run.simulator.metadataEndpoint(XEN_NODE)}/latest/api/token`;
    await expect(fetch(url, { method: "PUT", headers, signal })).rejects.toMatchObject({ name: "TimeoutError" });
  });

  test("the SDK's own chain of credentials ends here when the environment has none", async () => {
    const names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_EC2_METADATA_DISABLED"];
    for (const name of names) vi.stubEnv(name, undefined);
    vi.stubEnv("AWS_CONFIG_FILE", "/dev/null");
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    vi.stubEnv("AWS_EC2_METADATA_SERVICE_ENDPOINT", run.simulator.metadataEndpoint(NODE));
    const sts = new STSClient({ region: "eu-west-1", endpoint: run.simulator.endpoint });
    try {
      const { Arn } = await sts.send(new GetCallerIdentityCommand({}));
      expect(Arn).toBe(`arn:aws:sts::111122223333:assumed-role/enid-node/${NODE}`);
    } finally {
      vi.unstubAllEnvs();
      sts.destroy();
    }
  });
});
