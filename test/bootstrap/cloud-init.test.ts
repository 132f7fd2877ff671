import { afterEach, expect, it } from "vitest";
import { describeAsRoot } from "../support/root.ts";
import { createMachine, type Files, type Machine } from "./machine.ts";
import { CONFLIST, makeArtifact, scriptOf } from "./release.ts";

const artifact = makeArtifact();
const SYSTEMS = ["al2023", "al2023-managed", "ubuntu"] as const;

const machines: Machine[] = [];
function machine(): Machine {
  const made = createMachine(artifact.bytes);
  machines.push(made);
  return made;
}
afterEach(() => {
  for (const made of machines.splice(0)) made.remove();
});

/** /bin/sh is bash on Amazon Linux, and dash on Ubuntu and here. */
function script(system: (typeof SYSTEMS)[number], values = {}): string {
  const text = scriptOf(system, { ARTIFACT_SHA256: artifact.sha256, ...values });
  return system === "ubuntu" ? text : text.replace(/^#!\/bin\/sh$/m, "#!/bin/bash --posix");
}

const BOOTSTRAP = '#!/bin/sh\nprintf "%s\\n" "$SERVICE_IPV4_CIDR $*" >>/stub/bootstrap.log\ntouch /stub/kubelet-runs\n';

const INSTALLED: Readonly<Record<string, string>> = {
  "etc/cni/net.d/05-enid.conflist": "0644",
  "etc/systemd/system/enid.service": "0644",
  "etc/systemd/system/kubelet.service.d/50-enid.conf": "0644",
  "opt/cni/bin/enid-ipam": "0755",
  "run/enid-bootstrap.lock": "0644",
  "usr/local/bin/enid": "0755",
};
const OF_THE_SYSTEM = {
  al2023: {},
  "al2023-managed": {},
  ubuntu: {
    "etc/systemd/system/snap.kubelet-eks.daemon.service.d/50-enid.conf": "0644",
    "etc/eks/bootstrap.sh": "0755",
  },
} as const;

const modes = (files: Files) => Object.fromEntries(Object.entries(files).map(([path, is]) => [path, is.slice(0, 4)]));

/** A new machine of that system. */
function fresh(system: (typeof SYSTEMS)[number]): Machine {
  const made = machine();
  if (system === "ubuntu") made.write("etc/eks/bootstrap.sh", BOOTSTRAP, 0o755);
  return made;
}

describeAsRoot("user data that cloud-init runs", () => {
  it.each(SYSTEMS)("of %s leaves exactly its files, and changes nothing when it runs again", async (system) => {
    const node = fresh(system);
    const first = await node.run(script(system));
    expect(first.console).not.toContain("FAILED");
    expect(first.code, first.console).toBe(0);
    const files = node.files();
    expect(modes(files)).toEqual({ ...INSTALLED, ...OF_THE_SYSTEM[system] });
    expect(node.read("etc/cni/net.d/05-enid.conflist")).toBe(CONFLIST);
    expect(node.calls("systemctl")).toContain("enable --now enid.service");

    const second = await node.run(script(system));
    expect(second.code, second.console).toBe(0);
    expect(node.files()).toEqual(files);
  });

  it("starts the kubelet of a Ubuntu for EKS once, after enid, with the number of pods", async () => {
    const node = fresh("ubuntu");
    await node.run(script("ubuntu"));
    expect(node.calls("bootstrap")).toEqual([
      "10.100.0.0/16 prod-1 --apiserver-endpoint https://0123456789ABCDEF.gr7.eu-central-1.eks.amazonaws.com --b64-cluster-ca LS0tLS1CRUdJTg== --use-max-pods false --kubelet-extra-args --max-pods=58 --ip-family ipv4",
    ]);
    await node.run(script("ubuntu"));
    expect(node.calls("bootstrap")).toEqual([]);
  });

  it("gives the kubelet of a plain Ubuntu its number of pods, and starts none", async () => {
    const node = machine();
    const run = await node.run(script("ubuntu"));
    expect(run.code, run.console).toBe(0);
    expect(node.read("etc/default/kubelet")).toBe("KUBELET_EXTRA_ARGS=--max-pods=58\n");
    expect(run.console).toContain("let the node join by kubeadm");
  });

  it.each([
    { what: "without a network", modes: ["no-network"], says: "could not be had in 12 attempts", calls: 12 },
    { what: "where the role may not read the bucket", modes: ["forbidden"], says: "s3:GetObject", calls: 12 },
    { what: "with a transfer that always breaks off", modes: ["broken-off"], says: "(exit code 1", calls: 12 },
    {
      what: "with a download that is cut short",
      modes: ["truncated"],
      says: "came twice with another SHA-256",
      calls: 2,
    },
    { what: "with another artifact", modes: ["other"], says: "came twice with another SHA-256", calls: 2 },
  ])("fails loud $what, leaves nothing, and is repaired by the next run", async ({ modes: [mode], says, calls }) => {
    const node = machine();
    node.write("stub/aws-mode", `${mode}\n`.repeat(calls));
    const failed = await node.run(script("al2023"));
    expect(failed.code).toBe(1);
    expect(failed.console).toContain(says);
    expect(failed.console).toContain("enid-bootstrap: FAILED: ");
    expect(failed.console).toContain("the node stays NotReady");
    expect(node.calls("aws")).toHaveLength(calls);
    // Each wait is announced, and none is longer than half a minute.
    const waits = node.calls("sleep").map(Number);
    expect(waits).toHaveLength(calls - 1);
    expect(Math.max(...waits)).toBeLessThanOrEqual(30);
    for (const wait of waits) expect(failed.console).toContain(`waiting ${wait} s before the next attempt`);
    expect(Object.keys(node.files())).toEqual(["run/enid-bootstrap.lock"]);

    const repaired = await node.run(script("al2023"));
    expect(repaired.code, repaired.console).toBe(0);
    expect(modes(node.files())).toEqual(INSTALLED);
  });

  it("goes on by itself when the role or the network comes late", async () => {
    const node = machine();
    node.write("stub/aws-mode", "no-network\nforbidden\ntruncated\n");
    const run = await node.run(script("al2023"));
    expect(run.code, run.console).toBe(0);
    expect(node.calls("aws")).toHaveLength(4);
    expect(node.calls("sleep")).toEqual(["2", "4", "8"]);
  });

  it("fails loud where a file cannot be written", async () => {
    const node = machine();
    node.write("etc/enid", "in the way\n");
    const run = await node.run(
      script("al2023", { REDIS_SECRET: "a", REDIS_PASSWORD_FILE: "/etc/enid/redis.password" }),
    );
    expect(run.code).not.toBe(0);
    expect(run.console).toMatch(/^enid-bootstrap: FAILED with exit code \d+: enid is not set up/m);
    expect(Object.keys(node.files())).toEqual(["etc/enid", "run/enid-bootstrap.lock"]);
  });

  it("leaves the work of another run alone, and says that it waits for it", async () => {
    const node = machine();
    node.write("stub/second", script("al2023"));
    const run = await node.run(`#!/bin/sh
mkdir -p /var/lib/enid-bootstrap
echo mine >/var/lib/enid-bootstrap/of-another
printf '#!/bin/sh\\n[ "$1" != -w ] || exit 1\\nexec /usr/bin/flock "$@"\\n' >/stub/bin/flock
chmod 755 /stub/bin/flock
exec 8>/run/enid-bootstrap.lock
/usr/bin/flock 8
sh /stub/second 8>&-
`);
    expect(run.code).toBe(1);
    expect(run.console).toContain("waiting up to 600 s for another run");
    expect(run.console).toContain("FAILED: another run of this script did not end within 600 s");
    expect(node.read("var/lib/enid-bootstrap/of-another")).toBe("mine\n");
  });

  it("fails loud when enid install does, and starts no kubelet", async () => {
    const node = fresh("ubuntu");
    node.write("stub/install-fails", "");
    const run = await node.run(script("ubuntu"));
    expect(run.code).toBe(1);
    expect(run.console).toContain("FAILED: enid install ended with exit code 1");
    expect(node.calls("bootstrap")).toEqual([]);
    expect(Object.keys(node.files())).toEqual(["etc/eks/bootstrap.sh", "run/enid-bootstrap.lock"]);
  });

  it("has the node fetch the password of the fleet's store, of which user data holds the name alone", async () => {
    const node = machine();
    const values = { REDIS_SECRET: "prod/enid-store", REDIS_PASSWORD_FILE: "/etc/enid/redis.password" };
    const run = await node.run(script("al2023", values));
    expect(run.code, run.console).toBe(0);
    expect(modes(node.files())).toEqual({
      ...INSTALLED,
      "etc/enid/secret.env": "0644",
      "etc/systemd/system/enid-secret.service": "0644",
      "usr/local/sbin/enid-secret": "0755",
    });
    expect(node.read("etc/enid/secret.env")).toContain("ENID_SECRET=prod/enid-store\n");
    expect(node.calls("systemctl")).toContain("start --no-block enid-secret.service");

    const unit = "#!/bin/sh\nset -a\n. /etc/enid/secret.env\nexec /usr/local/sbin/enid-secret\n";
    for (const secret of ['{"username": "enid", "password": "correct horse"}\n', "correct horse\n"]) {
      node.write("stub/secret", secret);
      const fetched = await node.run(unit);
      expect(fetched.code, fetched.console).toBe(0);
      expect(node.read("etc/enid/redis.password")).toBe("correct horse\n");
      expect(modes(node.files())["etc/enid/redis.password"]).toBe("0600");
      expect(fetched.console).not.toContain("correct horse");
    }
    node.write("stub/aws-mode", "forbidden\n");
    const denied = await node.run(unit);
    expect(denied.code).not.toBe(0);
    expect(denied.console).toContain("AccessDeniedException");
    expect(node.read("etc/enid/redis.password")).toBe("correct horse\n");
  });

  it("may be cut off at any command: no file is half, and the next run ends with the same files", async () => {
    const whole = fresh("ubuntu");
    const values = { REDIS_SECRET: "prod/enid-store", REDIS_PASSWORD_FILE: "/etc/enid/redis.password" };
    const text = script("ubuntu", values);
    expect((await whole.run(text)).code).toBe(0);
    const commands = whole.commands();
    const wanted = whole.files();
    expect(commands).toBeGreaterThan(30);

    const cut = async (killAt: number) => {
      const node = fresh("ubuntu");
      const killed = await node.run(text, { killAt });
      expect(killed.code, `command ${killAt}`).toBe(137);
      for (const [path, is] of Object.entries(node.files())) {
        // What is not in its place yet is not looked at by anybody.
        if (path.startsWith("var/lib/enid-bootstrap/") || /\.(?:enid-)?new$/.test(path)) continue;
        expect(is, `${path} after command ${killAt}`).toBe(wanted[path]);
      }
      const repaired = await node.run(text);
      expect(repaired.code, repaired.console).toBe(0);
      expect(node.files(), `after command ${killAt}`).toEqual(wanted);
    };
    const numbers = Array.from({ length: commands }, (_, index) => index + 1);
    const next = async (): Promise<void> => {
      for (let at = numbers.shift(); at !== undefined; at = numbers.shift()) await cut(at);
    };
    await Promise.all([next(), next(), next()]);
  }, 60_000);
});
