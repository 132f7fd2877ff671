import { spawnSync } from "node:child_process";
import { chownSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { install } from "../../src/installation/index.ts";
import { readSource } from "../house/source-files.ts";
import { describeAsRoot } from "../support/root.ts";
import { lab, put, temporary } from "./lab.ts";

const UNIT = readSource("deploy/systemd/enid.service");
const DROP_IN = readSource("deploy/systemd/kubelet.service.d/50-enid.conf");

/** Values of the key, in order. */
const valuesOf = (text: string, key: string) =>
  [...text.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map(([, value = ""]) => value);

function analyze(...args: string[]) {
  const { status, stdout, stderr } = spawnSync("systemd-analyze", args, { encoding: "utf8", timeout: 30_000 });
  return { status, text: `${stdout}${stderr}` };
}

describe("the units of deploy/systemd", () => {
  it.each(["kubelet.service", "snap.kubelet-eks.daemon.service"])(
    "are taken by systemd without a word, with %s waiting for enid",
    async (kubelet) => {
      const { root, machine, options } = lab();
      mkdirSync(join(root, "snap/kubelet-eks"), { recursive: true });
      put(root, `/etc/systemd/system/${kubelet}`, "[Service]\nExecStart=/usr/local/bin/enid\n");
      for (const unit of ["sysinit", "basic", "multi-user", "network", "shutdown"])
        put(root, `/usr/lib/systemd/system/${unit}.target`, `[Unit]\nDescription=${unit}\n`);
      await install(machine, options());
      expect(analyze("verify", "--root", root, "--man=no", "enid.service", kubelet)).toEqual({ status: 0, text: "" });
      // It does look: without the executable it says so.
      rmSync(join(root, "usr/local/bin/enid"));
      expect(analyze("verify", "--root", root, "--man=no", "enid.service").text).toContain("/usr/local/bin/enid");
    },
  );

  it("leave enid little to do harm with", () => {
    const folder = temporary();
    put(folder, "/enid.service", UNIT);
    const { status, text } = analyze(
      "security",
      "--offline=true",
      "--threshold=32",
      "--no-pager",
      join(folder, "enid.service"),
    );
    expect(status, text).toBe(0);
    expect(text).toMatch(/Overall exposure level for enid.service: [0-3]\.\d OK/);
  });

  it("let it do its work", () => {
    expect(valuesOf(UNIT, "CapabilityBoundingSet")[0]?.split(" ")).toContain("CAP_NET_ADMIN");
    expect(valuesOf(UNIT, "ReadWritePaths")).toContain("/proc/sys/net");
    expect(valuesOf(UNIT, "RuntimeDirectoryPreserve")).toEqual(["yes"]);
    expect(valuesOf(UNIT, "RestrictAddressFamilies")[0]?.split(" ")).toEqual(
      expect.arrayContaining(["AF_UNIX", "AF_NETLINK", "AF_INET", "AF_INET6"]),
    );
    for (const never of [
      "MemoryDenyWriteExecute",
      "PrivateNetwork",
      "PrivateUsers",
      "ProtectProc",
      "ProtectKernelTunables",
    ])
      expect(valuesOf(UNIT, never)).toEqual([]);
  });

  it("stop enid later than it needs, and the kubelet's start later than the wait", () => {
    expect(Number(valuesOf(UNIT, "TimeoutStopSec")[0])).toBeGreaterThan(10);
    expect(valuesOf(DROP_IN, "ExecStartPre")).toEqual(["/usr/local/bin/enid status --wait"]);
    const waitSeconds = Number(
      /"wait-seconds": \{[^}]*default: "(\d+)"/.exec(readSource("src/cli/commands/status.ts"))?.[1],
    );
    expect(Number(valuesOf(DROP_IN, "TimeoutStartSec")[0])).toBeGreaterThan(waitSeconds);
  });
});

/** What the unit says of capabilities and folders, by mounts and setpriv instead of systemd, which does not run here. */
const CONFINED = `set -eu
mount --make-rprivate /
for path in $READ_ONLY; do mount --bind "$path" "$path"; done
for path in $WRITABLE; do [ ! -e "$path" ] || mount --bind "$path" "$path"; done
for path in $READ_ONLY; do mount -o remount,bind,ro "$path"; done
exec setpriv --bounding-set "$CAPABILITIES" --no-new-privs /bin/sh -c "$WORK"
`;

function confined(work: string) {
  const lists = (key: string) => valuesOf(UNIT, key).flatMap((value) => value.split(" "));
  const paths = (key: string) => lists(key).join(" ").replaceAll("-/", "/");
  const capabilities = lists("CapabilityBoundingSet").map((name) => `+${name.slice("CAP_".length).toLowerCase()}`);
  const { status, stdout, stderr } = spawnSync("unshare", ["--mount", "--net", "/bin/sh", "-c", CONFINED], {
    encoding: "utf8",
    timeout: 30_000,
    env: {
      PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
      READ_ONLY: paths("ReadOnlyPaths"),
      WRITABLE: paths("ReadWritePaths"),
      CAPABILITIES: ["-all", ...capabilities].join(","),
      WORK: work,
    },
  });
  return { status, text: `${stdout}${stderr}` };
}

describeAsRoot("what enid.service may do", () => {
  it("is enough for links, addresses, routes, rules, marks and rp_filter", () => {
    const work = `set -eu
ip link add ens5 type veth peer name ens6
ip link set ens5 up
ip address add 10.0.1.9/24 dev ens5 noprefixroute
ip link set ens6 up
ip route add 10.0.1.1 dev ens5 scope link table 11 proto kernel
ip rule add from 10.0.1.7 lookup 11 priority 111 protocol kernel
nft add table inet enid_node_port
echo 2 >/proc/sys/net/ipv4/conf/ens5/rp_filter
ip rule show priority 111`;
    expect(confined(work)).toEqual({ status: 0, text: expect.stringContaining("from 10.0.1.7 lookup 11") });
  });

  it("is enough for a folder and a socket that belong to BIRD's user", () => {
    const folder = temporary();
    const work = `set -eu
umask 077
echo x >${folder}/bird/enid.conf.new
chown 4711:4711 ${folder}/bird/enid.conf.new
chmod 0640 ${folder}/bird/enid.conf.new
mv ${folder}/bird/enid.conf.new ${folder}/bird/enid.conf`;
    mkdirSync(join(folder, "bird"), { mode: 0o700 });
    chownSync(join(folder, "bird"), 4711, 4711);
    expect(confined(work)).toEqual({ status: 0, text: "" });
  });

  it("is not enough for other settings of the kernel, or for other people's processes", () => {
    expect(confined("echo 1 >/proc/sys/kernel/printk_ratelimit").text).toMatch(/Read-only file system|cannot create/);
    expect(confined("mount -t tmpfs none /tmp").status).not.toBe(0);
    expect(confined("mknod /dev/shm/enid-device c 1 3").status).not.toBe(0);
    expect(confined("setpriv --reuid 1 true").status).not.toBe(0);
  });
});
