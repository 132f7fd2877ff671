import { describe, expect, it } from "vitest";
import { install } from "../../src/installation/index.ts";
import { filesBelow, readSource } from "../house/source-files.ts";
import { files, lab, MAC, ON_PREMISES, put, tree } from "./lab.ts";

const NETWORKD = "/usr/lib/systemd/systemd-networkd";
const SYSCTL = "/usr/lib/systemd/systemd-sysctl";
const UDEV = "/usr/lib/systemd/network/99-default.link";
const AMAZON = [
  NETWORKD,
  "/usr/lib/systemd/network/80-ec2.network",
  "/usr/lib/udev/rules.d/99-vpc-policy-routes.rules",
];

const PTP = Buffer.from(
  JSON.stringify({
    cniVersion: "1.0.0",
    name: "pods",
    eni: { "subnet-tags": { "enid.io/pods": "true" } },
    plugins: [{ type: "ptp", ipam: { type: "enid-ipam" } }],
  }),
);

interface Case {
  readonly what: string;
  /** Files of the machine: paths, or path and text. */
  readonly has: readonly (string | readonly [string, string])[];
  readonly gets: readonly string[];
  readonly configuration?: Buffer;
  readonly runs?: boolean;
  /** In what the check link-management advises. */
  readonly advises?: string;
}

const CASES: readonly Case[] = [
  { what: "nothing", has: [], gets: [] },
  {
    what: "Amazon Linux 2023",
    has: [...AMAZON, SYSCTL],
    gets: [
      "/etc/sysctl.d/99-zzz-enid.conf",
      "/etc/systemd/network/80-ec2.network.d/50-enid.conf",
      "/etc/systemd/networkd.conf.d/50-enid.conf",
      "/etc/udev/rules.d/99-vpc-policy-routes.rules",
    ],
  },
  {
    what: "EKS' image of it, which keeps to the primary interface",
    has: [...AMAZON, "/run/systemd/network/80-ec2.network.d/10-eks_primary_eni_only.conf"],
    gets: ["/etc/systemd/networkd.conf.d/50-enid.conf", "/etc/udev/rules.d/99-vpc-policy-routes.rules"],
  },
  {
    what: "an image of Amazon Linux 2023 that is being built",
    has: AMAZON,
    runs: false,
    gets: ["/etc/systemd/networkd.conf.d/50-enid.conf", "/etc/udev/rules.d/99-vpc-policy-routes.rules"],
    advises: "which one is the primary is not known here",
  },
  {
    what: "Ubuntu",
    has: [NETWORKD, ["/etc/os-release", "NAME=x\nID=ubuntu\n"], "/etc/cloud/cloud.cfg", "/usr/sbin/netplan"],
    gets: ["/etc/cloud/cloud.cfg.d/50-enid.cfg", "/etc/systemd/networkd.conf.d/50-enid.conf"],
  },
  {
    what: "networkd that knows the primary interface",
    has: [
      NETWORKD,
      ["/etc/systemd/network/10-primary.network", `[Match]\nPermanentMACAddress=${MAC}\n\n[Network]\nDHCP=yes\n`],
    ],
    gets: ["/etc/systemd/network/60-enid-secondary.network", "/etc/systemd/networkd.conf.d/50-enid.conf"],
  },
  {
    what: "networkd that knows another interface only",
    has: [NETWORKD, ["/etc/systemd/network/10-other.network", "[Match]\nMACAddress=0a:00:00:00:00:01\n"]],
    gets: ["/etc/systemd/networkd.conf.d/50-enid.conf"],
    advises: "no .network file names the primary interface",
  },
  {
    what: "Flatcar, whose file for every interface comes last",
    has: [NETWORKD, ["/usr/lib/systemd/network/zz-default.network", "[Match]\nName=*\n"]],
    gets: ["/etc/systemd/networkd.conf.d/50-enid.conf"],
    advises: "no .network file names the primary interface",
  },
  {
    what: "RHEL",
    has: ["/usr/sbin/NetworkManager", "/usr/lib/systemd/system/nm-cloud-setup.timer"],
    gets: ["/etc/NetworkManager/conf.d/50-enid.conf"],
    advises: "nm-cloud-setup",
  },
  {
    what: "NetworkManager on-premises",
    has: ["/usr/sbin/NetworkManager", ...AMAZON],
    configuration: ON_PREMISES,
    gets: ["/etc/NetworkManager/conf.d/50-enid.conf", "/etc/systemd/networkd.conf.d/50-enid.conf"],
  },
  {
    what: "udev, with another main plugin than Cilium's",
    has: [UDEV, SYSCTL],
    configuration: PTP,
    gets: ["/etc/systemd/network/99-default.link.d/50-enid.conf"],
  },
  { what: "udev, with Cilium's", has: [UDEV], gets: [] },
];

describe("the files for network services", () => {
  it.each(CASES)(
    "of $what are those that docs/cilium.md names",
    async ({ has, gets, configuration, runs = true, advises }) => {
      const { root, machine, options } = lab({ runs });
      for (const one of has) typeof one === "string" ? put(root, one) : put(root, ...one);
      const before = files(root);
      const given = options({ ...(configuration && { configuration: { file: "f", bytes: configuration } }) });
      const report = await install(machine, given);
      const own = /\/(?:enid(?:-ipam|\.service|\.env)?|05-enid\.conflist|install\.json)$|kubelet\.service\.d/;
      expect(files(root).filter((path) => !before.includes(path) && !own.test(path))).toEqual(gets);
      const advice = report.checks.filter(({ name, verdict }) => name === "link-management" && verdict === "advice");
      expect(advice.map(({ reason }) => reason).join()).toContain(advises ?? "");
      expect(advice.length).toBe(advises === undefined ? 0 : 1);
      for (const { remedy } of advice) expect(remedy).not.toBe("");
      for (const path of gets) expect(tree(root)[path]).not.toMatch(/^[^#\n]*PRIMARY_MAC/m);
      expect(await install(machine, given)).toMatchObject({ changed: false });
    },
  );

  it("name the primary interface by its MAC address, and keep it while metadata is away", async () => {
    let isAway = false;
    const identity = async () => {
      if (isAway) throw new Error("away");
      return { instanceId: "i-1", instanceType: "m6i.large", region: "eu-central-1", primaryMac: MAC };
    };
    const { root, machine, options } = lab({ runs: true, probes: { identity } });
    for (const path of [...AMAZON, "/usr/sbin/NetworkManager"]) put(root, path);
    await install(machine, options());
    const is = tree(root);
    expect(is["/etc/systemd/network/80-ec2.network.d/50-enid.conf"]).toMatch(
      new RegExp(`^PermanentMACAddress=${MAC}$`, "m"),
    );
    expect(is["/etc/NetworkManager/conf.d/50-enid.conf"]).toMatch(new RegExp(`,driver:ena,except:mac:${MAC}$`, "m"));
    isAway = true;
    expect(await install(machine, options())).toMatchObject({ changed: false });
    expect(tree(root)).toEqual(is);
  });

  it("on-premises keep NetworkManager off pods' devices, and off nothing else", async () => {
    const { root, machine, options } = lab();
    put(root, "/usr/sbin/NetworkManager");
    await install(machine, options({ configuration: { file: "f", bytes: ON_PREMISES } }));
    const text = tree(root)["/etc/NetworkManager/conf.d/50-enid.conf"] ?? "";
    expect(text).toMatch(/^unmanaged-devices=interface-name:lxc\*,interface-name:cilium_\*$/m);
  });

  it("are all of deploy/host", () => {
    const known = new Set(CASES.flatMap(({ gets }) => gets));
    expect(new Set(filesBelow("deploy/host").map((path) => `/etc${path.slice("deploy/host".length)}`))).toEqual(known);
    for (const path of filesBelow("deploy/host"))
      expect(readSource("src/installation/texts.ts")).toContain(path.slice("deploy/".length));
  });
});
