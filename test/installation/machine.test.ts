import { copyFileSync, cpSync, linkSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { buildDaemon } from "../../scripts/build.ts";
import { createMachine, type Machine } from "../bootstrap/machine.ts";
import { CONFLIST, makeArtifact, scriptOf } from "../bootstrap/release.ts";
import { ROOT, readSource } from "../house/source-files.ts";
import { describeAsRoot } from "../support/root.ts";

/**
 * The bundle instead of the executable, which takes a minute to make: the same code on the same Node. What it lays down as the
 * executable is then another program.
 */
const ENID = `#!/bin/sh
here=\${0%/*}
[ "$1" != install ] || set -- "$@" --executable "$here/program" --plugin "$here/enid-ipam"
exec /stub/node --disable-warning=ExperimentalWarning /stub/bundle/enid.mjs "$@"
`;
const PLUGIN = readFileSync(join(ROOT, "native/bin/enid-ipam"));
const artifact = makeArtifact({ enid: ENID, program: PLUGIN, "enid-ipam": PLUGIN });

const built = mkdtempSync(join(tmpdir(), "enid-machine-bundle-"));
beforeAll(() => buildDaemon(join(built, "bundle")), 60_000);
afterAll(() => rmSync(built, { recursive: true, force: true }));

/** A machine with systemd, with Node where the release's stand-in finds it. */
function machine(): Machine {
  const made = createMachine(artifact.bytes);
  onTestFinished(() => made.remove());
  made.write("run/systemd/system/.there", "");
  cpSync(join(built, "bundle"), join(made.root, "stub/bundle"), { recursive: true });
  const node = join(made.root, "stub/node");
  try {
    linkSync(process.execPath, node);
  } catch {
    copyFileSync(process.execPath, node);
  }
  return made;
}

const script = (system: "al2023" | "ubuntu") => scriptOf(system, { ARTIFACT_SHA256: artifact.sha256 });

describeAsRoot("user data with the real enid install", () => {
  it.each(["al2023", "ubuntu"] as const)(
    "of %s leaves exactly its files, and changes none when it runs again",
    async (system) => {
      const node = machine();
      node.write("etc/os-release", system === "ubuntu" ? "ID=ubuntu\n" : 'ID="amzn"\n');
      if (system === "ubuntu") node.write("etc/eks/bootstrap.sh", "#!/bin/sh\ntouch /stub/kubelet-runs\n", 0o755);
      const first = await node.run(script(system));
      expect(first.code, first.console).toBe(0);
      expect(first.console).toContain("metadata         failed: ");
      expect(node.calls("systemctl")).toEqual(expect.arrayContaining(["daemon-reload", "enable --now enid.service"]));
      const files = node.files();
      const ofHost = Object.keys(files).filter((path) =>
        /^etc\/(?:systemd\/network|sysctl|udev|cloud|NetworkManager)/.test(path),
      );
      const rest = Object.keys(files).filter((path) => !ofHost.includes(path));
      expect(rest).toEqual([
        "etc/cni/net.d/05-enid.conflist",
        ...(system === "ubuntu" ? ["etc/eks/bootstrap.sh"] : []),
        "etc/enid/enid.env",
        "etc/os-release",
        "etc/systemd/system/enid.service",
        "etc/systemd/system/kubelet.service.d/50-enid.conf",
        "etc/systemd/system/multi-user.target.wants/enid.service",
        ...(system === "ubuntu" ? ["etc/systemd/system/snap.kubelet-eks.daemon.service.d/50-enid.conf"] : []),
        "opt/cni/bin/enid-ipam",
        "run/enid-bootstrap.lock",
        "run/systemd/system/.there",
        "usr/local/bin/enid",
        "var/lib/enid/install.json",
      ]);
      expect(node.read("etc/cni/net.d/05-enid.conflist")).toBe(CONFLIST);
      expect(node.read("etc/systemd/system/kubelet.service.d/50-enid.conf")).toBe(
        readSource("deploy/systemd/kubelet.service.d/50-enid.conf"),
      );
      const { files: known } = JSON.parse(node.read("var/lib/enid/install.json"));
      for (const path of [...ofHost, ...rest.filter((each) => /^(?:opt|usr|etc\/(?:cni|enid|systemd))/.test(each))])
        expect(known).toHaveProperty([`/${path}`]);

      const second = await node.run(script(system));
      expect(second.code, second.console).toBe(0);
      expect(node.files()).toEqual(files);
      expect(second.console).not.toMatch(/^(?:written|updated|replaced|removed) /m);
    },
  );
});
