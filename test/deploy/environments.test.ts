import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { callEnid } from "../cli/run-enid.ts";
import { ROOT, readSource } from "../house/source-files.ts";

const FILES = {
  aws: "deploy/compose/aws/05-enid.conflist",
  "on-premises": "deploy/compose/on-premises/05-enid.conflist",
} as const;

type Entry = Readonly<Record<string, unknown>> & { readonly ipam: Readonly<Record<string, unknown>> };
type NetworkList = Readonly<Record<string, unknown>> & { readonly plugins: readonly [Entry] };

const parse = (path: string) => JSON.parse(readSource(path)) as NetworkList;

/** The list without what may differ between the environments. */
function common({ plugins: [{ eni: _eni, bgp: _bgp, ipam, ...entry }, ...others], ...list }: NetworkList) {
  const { podCIDRs: _podCIDRs, ...rest } = ipam;
  return { ...list, plugins: [{ ...entry, ipam: rest }, ...others] };
}

describe("the CNI configurations of the two environments", () => {
  const aws = parse(FILES.aws);
  const onPremises = parse(FILES["on-premises"]);

  it("differ in eni, ipam.podCIDRs and bgp only", () => {
    expect(common(aws)).toEqual(common(onPremises));
    expect(Object.keys(aws.plugins[0])).toEqual(["type", "eni", "ipam"]);
    expect(Object.keys(onPremises.plugins[0])).toEqual(["type", "ipam", "bgp"]);
    expect(aws.plugins[0].ipam).not.toHaveProperty("podCIDRs");
    expect(onPremises.plugins[0].ipam).toHaveProperty("podCIDRs");
  });

  it("ask for a hand-off that cilium-cni can make: the network cilium, the plugin enid-ipam", () => {
    for (const { name, plugins } of [aws, onPremises]) {
      expect([name, plugins[0].type, plugins[0].ipam.type]).toEqual(["cilium", "cilium-cni", "enid-ipam"]);
    }
  });

  it.each(Object.entries(FILES))("of %s is valid for enid, without a notice", async (_environment, file) => {
    const { code, stdout } = await callEnid(["validate", "--json", join(ROOT, file)]);
    expect(code, stdout).toBe(0);
    expect(stdout).not.toMatch(/"notices":\s*\[\s*[^\s\]]/);
  });

  it.each([
    ["aws", "eni-config/aws.conf"],
    ["on-premises", "eni-config/on-premises-twin.conf"],
  ] as const)("of %s says what %s says", (environment, example) => {
    const { cniVersion, name, ...entry } = JSON.parse(readSource(example));
    expect(parse(FILES[environment])).toEqual({ cniVersion, name, plugins: [entry] });
  });
});
