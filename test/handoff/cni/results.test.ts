import { describe, expect, it } from "vitest";
import { type AddAnswer, CNI_VERSIONS, serveCall } from "../../../src/handoff/cni/index.ts";
import { configuration, environment, FakeService } from "./helpers.ts";

const IPV4 = { prefixLength: 24, gateway: "10.0.0.1" };
const IPV6 = { prefixLength: 64, gateway: "fe80::1" };

async function resultOf(version: string, answer: AddAnswer): Promise<unknown> {
  const service = new FakeService();
  service.onAdd = async () => answer;
  const call = { environment: environment("ADD"), stdin: configuration(version) };
  const served = await serveCall(call, service, new AbortController().signal);
  expect(served.answer.exit).toBe(0);
  return JSON.parse(served.answer.body);
}

describe.each(CNI_VERSIONS)("the result of ADD with cniVersion %s", (version) => {
  const says = (ip: "4" | "6") => (version.startsWith("0.") ? { version: ip } : {});

  it("has the network of the address, and a default route over its gateway", async () => {
    expect(await resultOf(version, { address: "10.0.0.7", network: IPV4 })).toEqual({
      cniVersion: version,
      ips: [{ ...says("4"), address: "10.0.0.7/24", gateway: "10.0.0.1" }],
      routes: [{ dst: "0.0.0.0/0", gw: "10.0.0.1" }],
    });
  });

  it("has both of a dual-stack pod, each with its own network", async () => {
    const answer = { address: "10.0.0.7", network: IPV4, ipv6Address: "2001:db8::7", ipv6Network: IPV6 };
    expect(await resultOf(version, answer)).toEqual({
      cniVersion: version,
      ips: [
        { ...says("4"), address: "10.0.0.7/24", gateway: "10.0.0.1" },
        { ...says("6"), address: "2001:db8::7/64", gateway: "fe80::1" },
      ],
      routes: [
        { dst: "0.0.0.0/0", gw: "10.0.0.1" },
        { dst: "::/0", gw: "fe80::1" },
      ],
    });
  });

  it("has an address whose network is not known alone, without a route", async () => {
    const answer = { address: "10.0.0.7", ipv6Address: "2001:db8::7", ipv6Network: IPV6 };
    expect(await resultOf(version, answer)).toEqual({
      cniVersion: version,
      ips: [
        { ...says("4"), address: "10.0.0.7/32" },
        { ...says("6"), address: "2001:db8::7/64", gateway: "fe80::1" },
      ],
      routes: [{ dst: "::/0", gw: "fe80::1" }],
    });
    expect(await resultOf(version, { address: "2001:db8::7" })).toEqual({
      cniVersion: version,
      ips: [{ ...says("6"), address: "2001:db8::7/128" }],
    });
  });
});
