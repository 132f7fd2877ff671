import { BlockList } from "node:net";
import { describe, expect, it } from "vitest";
import { labPods } from "../../scripts/lab/plugin.ts";
import { nodeLab } from "./node-lab.ts";

describe("a real daemon with ip-families dual", () => {
  it("answers the plugin with an address of each family, as 1.0.0 and as 0.3.1, out of one /80", async () => {
    const lab = await nodeLab({ instanceType: "m5.large", ipam: { "pre-allocate": 4, "ip-families": "dual" } });
    await lab.start();
    const [first, second] = labPods(2);
    if (first === undefined || second === undefined) throw new Error("no pods");
    const old = JSON.stringify({ ...JSON.parse(lab.configuration), cniVersion: "0.3.1" });
    const newer = JSON.parse((await lab.plugin("ADD", first)).stdout);
    const older = JSON.parse((await lab.plugin("ADD", second, old)).stdout);

    const prefixes = lab.simulator.cloud.truth().interfaces.flatMap(({ ipv6Prefixes }) => ipv6Prefixes);
    expect(prefixes).toHaveLength(1);
    const range = new BlockList();
    range.addSubnet(prefixes[0]?.split("/")[0] ?? "", 80, "ipv6");
    for (const { ips, routes } of [newer, older]) {
      const [ipv4 = "", ipv6 = ""] = ips.map(({ address }: { address: string }) => address);
      expect(ipv4).toMatch(/^10\.0\.\d+\.\d+\/22$/);
      expect(ipv6).toMatch(/\/64$/);
      expect(range.check(ipv6.slice(0, -"/64".length), "ipv6"), `${ipv6} in ${prefixes[0]}`).toBe(true);
      const gateways = ips.map(({ gateway }: { gateway: string }) => gateway);
      expect(gateways).toEqual([expect.stringMatching(/^10\.0\.\d+\.3$/), "fe80::1"]);
      expect(routes).toEqual([
        { dst: "0.0.0.0/0", gw: gateways[0] },
        { dst: "::/0", gw: "fe80::1" },
      ]);
    }
    expect(newer).toMatchObject({ cniVersion: "1.0.0", ips: [{ address: expect.any(String) }, {}] });
    expect(newer.ips.flatMap((one: object) => Object.keys(one))).not.toContain("version");
    expect(older).toMatchObject({ cniVersion: "0.3.1", ips: [{ version: "4" }, { version: "6" }] });

    // Both addresses are one lease: they are told together and go together.
    const addresses = newer.ips.map(({ address }: { address: string }) => address.split("/")[0]);
    const text = await lab.enid("explain", "shop/web-0000");
    expect(text.split("\n")[0]).toBe(`shop/web-0000 has ${addresses.join(" and ")}`);
    expect((await lab.plugin("DEL", first)).exitCode).toBe(0);
    const { pool } = await lab.until(({ pool }) => pool.leased === 1);
    expect(pool.ipv6?.leased).toBe(1);
    expect(await lab.enid("status")).toMatch(/^ipv6 +1 leased, [01] cooling; pods get both families$/m);
  }, 120_000);
});
