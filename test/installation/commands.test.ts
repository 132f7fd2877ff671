import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startFakeDaemon } from "../cli/fake-daemon.ts";
import { callEnid, ROOT } from "../cli/run-enid.ts";
import { files, put, release, temporary } from "./lab.ts";

const CONFLIST = join(ROOT, "deploy/compose/aws/05-enid.conflist");

describe("enid install and enid uninstall, the commands", () => {
  const installInto = (root: string, ...more: string[]) =>
    callEnid(["install", "--root", root, "--executable", join(release("1"), "enid"), "--config", CONFLIST, ...more]);

  it("tell what they did, and what stays to be done", async () => {
    const root = temporary();
    put(root, "/opt/cni/bin/enid-ipam", "somebody's\n");
    const first = await installInto(root);
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.stdout).toMatch(
      /^replaced {2}\/opt\/cni\/bin\/enid-ipam +the one before: \/var\/lib\/enid\/replaced\/enid-ipam\./m,
    );
    expect(first.stdout).toMatch(/^cni-order +ok: /m);
    expect(first.stdout).toMatch(/^programs +failed: there is no `ip`.*\n +Install iproute2/m);
    expect(first.stdout).toMatch(/^nothing was started: enid starts when the machine boots$/m);
    expect(first.stdout).toMatch(/^enid \d+\.\d+\.\d+ is installed$/m);
    const second = await installInto(root);
    expect(second.stdout).not.toMatch(/^(?:written|updated|replaced|removed)/m);
    expect(second.stdout).toMatch(/^enid \S+ is in place: nothing was changed$/m);

    const shown = await callEnid(["uninstall", "--root", root, "--dry-run"]);
    expect(shown.stdout).toMatch(/^would be removed {2}\/opt\/cni\/bin\/enid-ipam$/m);
    expect(files(root)).toHaveLength(9);
    const gone = await callEnid(["uninstall", "--root", root]);
    expect(gone).toMatchObject({ code: 0, stderr: "" });
    expect(gone.stdout).toMatch(/^what was at \/opt\/cni\/bin\/enid-ipam before is \/var/m);
    expect(files(root)).toHaveLength(1);
    expect((await callEnid(["uninstall", "--root", root])).stdout).toMatch(/^nothing to do/);
  });

  it("say it as one JSON document", async () => {
    const root = temporary();
    const report = JSON.parse((await installInto(root, "--json")).stdout);
    expect(report).toMatchObject({ changed: true, dryRun: false, version: expect.any(String), services: [] });
    expect(report.files).toContainEqual(expect.objectContaining({ path: "/usr/local/bin/enid", action: "written" }));
    expect(report.checks).toContainEqual(expect.objectContaining({ name: "cni-order", verdict: "ok", remedy: "" }));
    expect(JSON.parse((await callEnid(["uninstall", "--root", root, "--json"])).stdout)).toMatchObject({
      changed: true,
    });
  });

  it("refuse what is not there", async () => {
    const root = temporary();
    const missing = await callEnid(["install", "--root", join(root, "none"), "--config", CONFLIST]);
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining("is no folder that is there") });
    const noFile = await callEnid(["install", "--root", root, "--config", join(root, "none.conflist")]);
    expect(noFile).toMatchObject({ code: 3, stderr: expect.stringContaining("ENID_CONFIG_UNREADABLE") });
    const script = await callEnid([
      "install",
      "--root",
      root,
      "--config",
      CONFLIST,
      "--executable",
      join(ROOT, "bin/enid"),
    ]);
    expect(script).toMatchObject({ code: 1, stderr: expect.stringContaining("ENID_INSTALL_SOURCE") });
    expect(files(root)).toEqual([]);
  });

  it("do not take the plugin from pods that still run", async () => {
    const { socket, manager } = await startFakeDaemon();
    const { pool } = manager.report;
    manager.report = { ...manager.report, pool: { ...pool, leased: 2 } };
    const refused = await callEnid(["uninstall", "--socket", socket]);
    expect(refused).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("2 pods of this node have addresses"),
    });
    manager.report = { ...manager.report, pool: { ...pool, leased: 0, ipv6: { ...pool, leased: 1 } } };
    expect((await callEnid(["uninstall", "--socket", socket])).stderr).toContain("1 pod of this node");
  });
});

describe("enid max-pods", () => {
  const ask = (...args: string[]) => callEnid(["max-pods", ...args]);
  const conflist = (eni: object, ipam: object = {}) => {
    const folder = temporary();
    const configuration = JSON.parse(readFileSync(CONFLIST, "utf8"));
    const [plugin] = configuration.plugins;
    Object.assign(plugin.eni, eni);
    Object.assign(plugin.ipam, ipam);
    put(folder, "/c.conflist", JSON.stringify(configuration));
    return join(folder, "c.conflist");
  };

  // (interfaces - first index) x (addresses - 1) + 2, by DescribeInstanceTypes: m6i.large 3 x 10, m5.24xlarge 15 x 50.
  it.each([
    ["m6i.large", {}, {}, 20],
    ["m6i.large", { "first-interface-index": 0 }, {}, 29],
    ["m6i.large", { "use-primary-address": true }, {}, 22],
    ["m6i.large", {}, { "max-allocate": 12 }, 14],
    ["m6i.large", {}, { "max-allocate": 300 }, 20],
    ["m6i.large", { "prefix-delegation": "preferred" }, {}, 110],
    ["t2.large", { "prefix-delegation": "preferred" }, {}, 24],
    ["m5.24xlarge", {}, {}, 250],
  ] as const)("gives a kubelet on %s with eni %j and ipam %j room for %s pods", async (type, eni, ipam, pods) => {
    expect(await ask(type, "--config", conflist(eni, ipam))).toEqual({ code: 0, stdout: `${pods}\n`, stderr: "" });
  });

  it("says what limits it", async () => {
    const limitedBy = async (...args: string[]) => JSON.parse((await ask(...args, "--json")).stdout).limitedBy;
    expect(await limitedBy("m6i.large")).toBe("interfaces");
    expect(await limitedBy("m6i.large", "--config", conflist({}, { "max-allocate": 12 }))).toBe("max-allocate");
    expect(await limitedBy("m5.24xlarge")).toBe("recommendation");
  });

  it("refuses what has no answer", async () => {
    expect(await ask("m99.large")).toMatchObject({ code: 1, stderr: expect.stringContaining("ENID_MAX_PODS_TYPE") });
    const none = await ask("m6i.large", "--config", conflist({ "first-interface-index": 9 }));
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining("has no interface for pods: it has 3") });
    const ranges = await ask("m6i.large", "--config", join(ROOT, "deploy/compose/on-premises/05-enid.conflist"));
    expect(ranges).toMatchObject({ code: 1, stderr: expect.stringContaining("ENID_MAX_PODS_RANGES") });
    expect(await ask()).toMatchObject({ code: 2 });
  });
});
