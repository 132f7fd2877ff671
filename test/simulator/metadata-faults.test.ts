import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { FaultEffect, FaultRule, Result } from "../../src/simulator/index.ts";
import { CARD_NODE, laboratory, NODE, NODE_SUBNET, PRIMARY, type Running, running } from "./support.ts";

type Lab = ReturnType<typeof laboratory>;
const MACS = "/latest/meta-data/network/interfaces/macs";

/** Reads without token; a status where there is no 200, the kind where there is no reply. */
const read = ({ cloud }: Pick<Lab, "cloud">, path: string, instanceId = NODE): string | number => {
  cloud.changeMetadataOptions(instanceId, { tokens: "optional" });
  const answer = cloud.metadata(instanceId, { method: "GET", path, headers: {} });
  if (answer.kind !== "reply") return answer.kind;
  return answer.status === 200 ? answer.body : answer.status;
};
const macOf = ({ cloud }: Lab, id: string) => cloud.truth().interfaces.find((one) => one.id === id)?.mac ?? "";
const attach = ({ cloud }: Lab, DeviceIndex: number, more: Record<string, number> = {}) => {
  const made = cloud.call("CreateNetworkInterface", { SubnetId: NODE_SUBNET, ...more }).networkInterface as Result;
  const NetworkInterfaceId = String(made.networkInterfaceId);
  const { attachmentId } = cloud.call("AttachNetworkInterface", { NetworkInterfaceId, InstanceId: NODE, DeviceIndex });
  return { id: NetworkInterfaceId, mac: String(made.macAddress), attachmentId: String(attachmentId) };
};

describe("a wrong picture", () => {
  test("lacks half of the addresses and prefixes of an interface, never the primary address", () => {
    const lab = laboratory();
    lab.cloud.call("AssignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: 4 });
    lab.cloud.call("AssignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, Ipv4PrefixCount: 2 });
    const mac = macOf(lab, PRIMARY);
    const whole = String(read(lab, `${MACS}/${mac}/local-ipv4s`)).split("\n");
    lab.cloud.changeMetadataView(NODE, { partial: [PRIMARY] });
    const half = String(read(lab, `${MACS}/${mac}/local-ipv4s`)).split("\n");
    expect(half).toHaveLength(3);
    expect(half[0]).toBe("10.0.0.10");
    expect(half.every((address) => whole.includes(address))).toBe(true);
    expect(String(read(lab, `${MACS}/${mac}/ipv4-prefix`)).split("\n")).toHaveLength(1);
    lab.cloud.changeMetadataView(NODE, { partial: [] });
    expect(read(lab, `${MACS}/${mac}/local-ipv4s`)).toBe(whole.join("\n"));
    lab.cloud.changeMetadataView(NODE, { partial: ["*"] });
    expect(read(lab, `${MACS}/${mac}/local-ipv4s`)).toBe(half.join("\n"));
  });

  test("lacks a MAC, or shows it without anything", () => {
    const lab = laboratory();
    const { id, mac } = attach(lab, 1);
    lab.cloud.changeMetadataView(NODE, { missing: [id] });
    expect(read(lab, `${MACS}/`)).toBe(`${macOf(lab, PRIMARY)}/`);
    lab.cloud.changeMetadataView(NODE, { missing: [], bare: [id] });
    expect(read(lab, `${MACS}/${mac}/device-number`)).toBe("0");
    expect(read(lab, `${MACS}/${mac}/interface-id`)).toBe(404);
    lab.cloud.changeMetadataView(NODE, { bare: [] });
    expect(read(lab, `${MACS}/${mac}/interface-id`)).toBe(id);
  });

  test("is frozen: a detached interface stays, a new one does not appear", () => {
    const lab = laboratory();
    const old = attach(lab, 1);
    lab.cloud.changeMetadataView(NODE, { frozen: true });
    lab.cloud.call("DetachNetworkInterface", { AttachmentId: old.attachmentId });
    lab.clock.advance(1);
    lab.cloud.call("DeleteNetworkInterface", { NetworkInterfaceId: old.id });
    const young = attach(lab, 2);
    lab.clock.advance(3_600_000);
    expect(read(lab, `${MACS}/${old.mac}/interface-id`)).toBe(old.id);
    expect(read(lab, `${MACS}/${young.mac}/interface-id`)).toBe(404);
    lab.cloud.changeMetadataView(NODE, { frozen: false });
    expect(read(lab, `${MACS}/${old.mac}/interface-id`)).toBe(404);
    expect(read(lab, `${MACS}/${young.mac}/interface-id`)).toBe(young.id);
  });
});

describe("a fault rule for metadata", () => {
  const rule = (lab: Pick<Lab, "cloud">, action: string, effect: FaultEffect, more: Partial<FaultRule> = {}) =>
    lab.cloud.faults.add({ action, effect, ...more });

  test.each([
    [{ kind: "html", httpStatus: 404 }, 404],
    [{ kind: "html" }, 503],
    [{ kind: "error", code: "Any" }, 500],
    [{ kind: "error", code: "Any", httpStatus: 401 }, 401],
    [{ kind: "reset" }, "reset"],
    [{ kind: "lost-reply" }, "reset"],
    [{ kind: "hang" }, "hang"],
    [{ kind: "truncated" }, "m5.l"],
  ] as const)("answers %j as %s", (effect, answer) => {
    const lab = laboratory();
    rule(lab, "Metadata:/latest/meta-data/instance-type", effect);
    expect(read(lab, "/latest/meta-data/instance-type")).toBe(answer);
    expect(read(lab, "/latest/meta-data/instance-type")).toBe("m5.large");
  });

  test("hits the paths below a beginning, one instance, the nth request, by chance", () => {
    const lab = laboratory();
    rule(lab, `Metadata:${MACS}/*`, { kind: "html" }, { instance: CARD_NODE, from: 2, times: 1 });
    const path = `${MACS}/${macOf(lab, PRIMARY)}/mac`;
    expect([read(lab, path), read(lab, path), read(lab, path)]).toEqual(Array(3).fill(macOf(lab, PRIMARY)));
    expect([0, 1, 2].map(() => read(lab, `${MACS}/`, CARD_NODE)).map((one) => typeof one)).toEqual([
      "string",
      "number",
      "string",
    ]);
    lab.cloud.faults.remove();
    rule(lab, "Metadata:*", { kind: "reset" }, { probability: 0.5 });
    const resets = Array.from({ length: 40 }, () => read(lab, path)).filter((one) => one === "reset").length;
    expect(resets).toBeGreaterThan(8);
    expect(resets).toBeLessThan(32);
  });

  test("hits the request for a token", () => {
    const lab = laboratory();
    rule(lab, "Metadata:/latest/api/token", { kind: "hang" });
    const put = () =>
      lab.cloud.metadata(NODE, {
        method: "PUT",
        path: "/latest/api/token",
        headers: { "x-aws-ec2-metadata-token-ttl-seconds": "60" },
      });
    expect(put().kind).toBe("hang");
    expect(put()).toMatchObject({ status: 200 });
  });

  test("is not what `*` means, and EC2's rules are not metadata's", () => {
    const lab = laboratory();
    rule(lab, "*", { kind: "reset" }, { times: "unlimited" });
    expect(read(lab, "/latest/meta-data/instance-id")).toBe(NODE);
    expect(lab.cloud.drawFault("DescribeVpcs")).toEqual({ kind: "reset" });
    lab.cloud.faults.remove();
    rule(lab, "Metadata:*", { kind: "reset" }, { times: "unlimited" });
    expect(lab.cloud.drawFault("DescribeVpcs")).toBeUndefined();
  });
});

describe("over HTTP", () => {
  let run: Running;
  beforeEach(async () => {
    run = await running();
  });
  afterEach(() => run.close());

  const post = (method: string, path: string, body: unknown) =>
    fetch(`${run.simulator.endpoint}/_simulator/${path}`, { method, body: JSON.stringify(body) });

  test("a rule makes metadata slow, and the picture is changed by the control endpoint", async () => {
    const { cloud } = run.simulator;
    cloud.changeMetadataOptions(NODE, { tokens: "optional" });
    const effect = { kind: "latency", delayMs: 200 };
    expect((await post("POST", "faults", { action: "Metadata:/latest/meta-data/*", effect })).status).toBe(200);
    const startedMs = performance.now();
    const url = `${run.simulator.metadataEndpoint(NODE)}/latest/meta-data`;
    expect(await (await fetch(`${url}/instance-id`)).text()).toBe(NODE);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(199);
    const patched = await post("PATCH", `instances/${NODE}/metadata-view`, { missing: [PRIMARY] });
    expect(await patched.json()).toMatchObject({ missing: [PRIMARY] });
    expect((await fetch(`${url}/mac`)).status).toBe(404);
    expect((await post("PATCH", `instances/${NODE}/metadata-view`, { missing: ["x"] })).status).toBe(400);
    expect((await post("POST", "faults", { action: "Metadata:x", effect })).status).toBe(400);
  });
});
