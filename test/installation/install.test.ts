import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EnidError } from "../../src/errors.ts";
import { findSources, install, uninstall, withLock } from "../../src/installation/index.ts";
import { readSource } from "../house/source-files.ts";
import { CONFLIST, elf, files, lab, ON_PREMISES, put, refusal, release, temporary, tree } from "./lab.ts";

const INSTALLED = [
  "/etc/cni/net.d/05-enid.conflist",
  "/etc/enid/enid.env",
  "/etc/systemd/system/enid.service",
  "/etc/systemd/system/kubelet.service.d/50-enid.conf",
  "/etc/systemd/system/multi-user.target.wants/enid.service",
  "/opt/cni/bin/enid-ipam",
  "/usr/local/bin/enid",
  "/var/lib/enid/install.json",
];
const PLUGIN = "/opt/cni/bin/enid-ipam";
const manifestOf = (root: string) => JSON.parse(readFileSync(join(root, "var/lib/enid/install.json"), "utf8"));
const actions = (report: { files: readonly { path: string; action: string }[] }) =>
  Object.fromEntries(
    report.files.filter(({ action }) => action !== "in place").map(({ path, action }) => [path, action]),
  );

describe("enid install", () => {
  it("lays down its files, all named by the manifest, and a second run changes nothing", async () => {
    const { root, machine, options } = lab();
    const given = options();
    const first = await install(machine, given);
    expect(first.changed).toBe(true);
    expect(files(root)).toEqual(INSTALLED);
    const is = tree(root);
    expect(is["/etc/cni/net.d/05-enid.conflist"]).toBe(`0644 ${CONFLIST.toString("latin1")}`);
    expect(is["/etc/enid/enid.env"]).toMatch(/^0600 [\s\S]*^ENID_ARGS=$/m);
    expect(is["/etc/systemd/system/enid.service"]).toBe(`0644 ${readSource("deploy/systemd/enid.service")}`);
    expect(is[PLUGIN]).toBe(`0755 ${elf("enid-ipam 1\n").toString("latin1")}`);
    expect(is["/var/lib/enid/"]).toBe("0700");
    const manifest = manifestOf(root);
    expect(manifest.complete).toBe(true);
    expect(Object.keys(manifest.files).sort()).toEqual(INSTALLED.slice(0, -1));

    const second = await install(machine, given);
    expect(second).toMatchObject({ changed: false, services: [] });
    expect(actions(second)).toEqual({});
    expect(tree(root)).toEqual(is);
  });

  it("shows by --dry-run what it would do, and does nothing", async () => {
    const { root, machine, options, ran } = lab({ runs: true });
    const before = tree(root);
    const report = await install(machine, options({ dryRun: true }));
    expect(report).toMatchObject({ dryRun: true, changed: true });
    expect(Object.keys(actions(report)).sort()).toEqual(INSTALLED.slice(0, -1));
    expect(tree(root)).toEqual(before);
    expect(ran).toEqual([]);
  });

  it("keeps the programs before, one of each, and says where", async () => {
    const { root, machine, options } = lab();
    await install(machine, options({ release: release("1") }));
    const second = await install(machine, options({ release: release("2"), version: "2.0.0" }));
    expect(actions(second)).toEqual({ "/usr/local/bin/enid": "updated", [PLUGIN]: "updated" });
    const { previous } = manifestOf(root).files[PLUGIN];
    expect(previous.version).toBe("1.0.0");
    expect(readFileSync(join(root, previous.kept))).toEqual(elf("enid-ipam 1\n"));
    await install(machine, options({ release: release("3"), version: "3.0.0" }));
    const kept = files(root).filter((path) => path.includes("/replaced/"));
    expect(kept).toHaveLength(2);
    for (const path of kept) expect(readFileSync(join(root, path), "latin1")).toMatch(/ 2\n$/);
  });

  it("keeps aside what is not enid's, and what was changed by hand, and says so", async () => {
    const { root, machine, options } = lab();
    put(root, PLUGIN, "somebody's plugin\n", 0o755);
    put(root, "/etc/systemd/system/enid.service", "[Service]\n");
    put(root, "/real.conflist", "{}");
    mkdirSync(join(root, "etc/cni/net.d"), { recursive: true });
    symlinkSync("/real.conflist", join(root, "etc/cni/net.d/05-enid.conflist"));
    const given = options();
    const report = await install(machine, given);
    expect(actions(report)).toMatchObject({
      [PLUGIN]: "replaced",
      "/etc/systemd/system/enid.service": "replaced",
      "/etc/cni/net.d/05-enid.conflist": "replaced",
    });
    const { kept = "" } = report.files.find(({ path }) => path === PLUGIN) ?? {};
    expect(readFileSync(join(root, kept), "utf8")).toBe("somebody's plugin\n");
    expect(manifestOf(root).foreign).toMatchObject([
      { path: PLUGIN, kept },
      { path: "/etc/systemd/system/enid.service" },
      { path: "/etc/cni/net.d/05-enid.conflist", link: "/real.conflist" },
    ]);
    expect(readFileSync(join(root, "real.conflist"), "utf8")).toBe("{}");

    put(root, "/etc/systemd/system/enid.service", "[Service]\nNice=5\n");
    const again = await install(machine, given);
    expect(actions(again)).toEqual({ "/etc/systemd/system/enid.service": "replaced" });
    expect(manifestOf(root).foreign).toHaveLength(4);
  });

  it("never writes the node's own settings again, and leaves files of others for network services", async () => {
    const { root, machine, options } = lab();
    put(root, "/usr/lib/systemd/systemd-networkd");
    put(root, "/etc/systemd/networkd.conf.d/50-enid.conf", "[Network]\n# ours\n");
    const given = options();
    const first = await install(machine, given);
    expect(actions(first)["/etc/systemd/networkd.conf.d/50-enid.conf"]).toBe("left");
    expect(first.checks).toContainEqual(
      expect.objectContaining({ name: "link-management", verdict: "advice", reason: expect.stringContaining("stays") }),
    );
    put(root, "/etc/enid/enid.env", "ENID_ARGS=--log-level debug\n");
    const second = await install(machine, given);
    expect(second.changed).toBe(false);
    expect(readFileSync(join(root, "etc/enid/enid.env"), "utf8")).toContain("debug");
    await uninstall(machine, { dryRun: false, purge: false, stop: true });
    expect(files(root)).toEqual([
      "/etc/enid/enid.env",
      "/etc/systemd/networkd.conf.d/50-enid.conf",
      "/usr/lib/systemd/systemd-networkd",
    ]);
  });

  it("puts right what was lost or changed", async () => {
    const { root, machine, options } = lab();
    const given = options();
    await install(machine, given);
    const is = tree(root);
    rmSync(join(root, PLUGIN));
    put(
      root,
      "/etc/systemd/system/kubelet.service.d/50-enid.conf",
      readSource("deploy/systemd/kubelet.service.d/50-enid.conf"),
      0o600,
    );
    const report = await install(machine, given);
    expect(actions(report)).toEqual({
      [PLUGIN]: "written",
      "/etc/systemd/system/kubelet.service.d/50-enid.conf": "updated",
    });
    expect(tree(root)).toEqual(is);
  });

  it("takes the configuration and the plugin that are there when none is given", async () => {
    const { root, machine, options } = lab();
    const folder = release("1");
    await install(machine, options({ release: folder }));
    const is = tree(root);
    rmSync(join(folder, "enid-ipam"));
    const again = options({ release: folder, configuration: undefined });
    expect(again.sources.plugin).toBeUndefined();
    expect(await install(machine, again)).toMatchObject({ changed: false });
    expect(tree(root)).toEqual(is);
  });

  it("follows links below the root as the machine would, and never out of it", async () => {
    const { root, machine, options } = lab();
    const outside = temporary();
    mkdirSync(join(root, outside), { recursive: true });
    mkdirSync(join(root, "opt"));
    mkdirSync(join(root, "usr/libexec/cni"), { recursive: true });
    symlinkSync("/usr/libexec/cni", join(root, "opt/cni"));
    symlinkSync(outside, join(root, "etc"));
    await install(machine, options());
    expect(files(outside)).toEqual([]);
    expect(existsSync(join(root, "usr/libexec/cni/bin/enid-ipam"))).toBe(true);
    expect(existsSync(join(root, outside, "cni/net.d/05-enid.conflist"))).toBe(true);
  });

  it("refuses what it cannot do before it changes anything", async () => {
    const { root, machine, options } = lab();
    const folder = release("1");
    const bytes = (text: string) => ({ file: "x.conflist", bytes: new TextEncoder().encode(text) });
    const single = JSON.stringify({
      cniVersion: "1.0.0",
      name: "cilium",
      type: "cilium-cni",
      ipam: { type: "enid-ipam" },
    });
    const wrong = JSON.stringify({
      ...JSON.parse(CONFLIST.toString()),
      plugins: [{ type: "cilium-cni", ipam: { "pre-allocate": -1 } }],
    });
    expect(await refusal(() => install(machine, options({ configuration: undefined })))).toMatch(
      /^ENID_INSTALL_CONFIGURATION: .*--config names none/,
    );
    expect(await refusal(() => install(machine, options({ configuration: bytes(single) })))).toMatch(
      /^ENID_INSTALL_CONFIGURATION: x\.conflist .*single/,
    );
    expect(await refusal(() => install(machine, options({ configuration: bytes(wrong) })))).toMatch(
      /^ENID_CONFIG_INVALID/,
    );
    expect(await refusal(() => install(machine, options({ configuration: bytes("{") })))).toMatch(
      /^ENID_CONFIG_SYNTAX/,
    );
    rmSync(join(folder, "enid-ipam"));
    expect(await refusal(() => install(machine, options({ release: folder })))).toMatch(
      /^ENID_INSTALL_SOURCE: enid-ipam .*--plugin/,
    );
    expect(files(root)).toEqual([]);
    mkdirSync(join(root, "usr/local/bin/enid"), { recursive: true });
    expect(await refusal(() => install(machine, options()))).toMatch(
      /^ENID_INSTALL_PATH: \/usr\/local\/bin\/enid .*a folder is there/,
    );
    rmSync(join(root, "usr"), { recursive: true });
    for (const text of ["{", '{"format":2}', '{"format":1}']) {
      put(root, "/var/lib/enid/install.json", text);
      expect(await refusal(() => install(machine, options()))).toMatch(/^ENID_INSTALL_MANIFEST/);
      expect(await refusal(() => uninstall(machine, { dryRun: false, purge: true, stop: true }))).toMatch(
        /^ENID_INSTALL_MANIFEST/,
      );
    }
    expect(files(root)).toEqual(["/var/lib/enid/install.json"]);
  });

  it("refuses programs that are not whole, not programs, or for two kinds of machine", async () => {
    const folder = release("1");
    const usual = { executable: join(folder, "enid"), plugins: [] };
    const find = (more = {}) =>
      refusal(() => findSources({ executable: undefined, plugin: undefined, usual, ...more }));
    expect(await find()).toBe("");
    writeFileSync(join(folder, "SHA256SUMS"), `${"0".repeat(64)}  enid\n`);
    expect(await find()).toMatch(/^ENID_INSTALL_SOURCE: enid .*SHA256SUMS beside it says 0000/);
    rmSync(join(folder, "SHA256SUMS"));
    writeFileSync(join(folder, "enid-ipam"), elf("of arm64", 183));
    expect(await find()).toMatch(/another kind of machine/);
    writeFileSync(join(folder, "script"), "#!/bin/sh\n# long enough for a head\n");
    expect(await find({ executable: join(folder, "script") })).toMatch(/no executable of Linux .*npm run build/);
    expect(await find({ plugin: join(folder, "missing") })).toMatch(/no such file/);
    expect(await find({ executable: join(folder, "missing") })).toMatch(/no such file; .*npm run build/);
  });

  it("runs once at a time for a root", async () => {
    const busy = await withLock("/a", () => refusal(() => withLock("/a", async () => {})));
    expect(busy).toMatch(/^ENID_INSTALL_BUSY: .*\/a/);
    expect(await withLock("/a", () => withLock("/b", async () => "both"))).toBe("both");
  });
});

describe("enid install on a machine that runs", () => {
  it("starts enid once, and again only after a change of it", async () => {
    const codes: Record<string, number> = { "systemctl is-active": 3 };
    const { machine, options, ran } = lab({ runs: true, codes });
    const first = await install(machine, options());
    expect(ran.splice(0)).toEqual(["systemctl daemon-reload", "systemctl enable --now enid.service"]);
    expect(first.checks.map(({ name, verdict }) => `${name} ${verdict}`)).toEqual([
      "configuration ok",
      "cni-order ok",
      "metadata ok",
      "hop-limit ok",
      "link-management ok",
      "programs failed",
      "permissions ok",
    ]);
    delete codes["systemctl is-active"];
    expect(await install(machine, options())).toMatchObject({ changed: false, services: [] });
    await install(machine, options({ release: release("2") }));
    expect(ran.splice(0)).toEqual(["systemctl restart enid.service"]);
    codes["systemctl is-active"] = 3;
    expect(await install(machine, options({ release: release("2") }))).toMatchObject({ changed: true });
    expect(ran.splice(0)).toEqual(["systemctl enable --now enid.service"]);
    await install(machine, options({ release: release("3"), start: false }));
    expect(ran).toEqual([]);
  });

  it("fails when enid does not start, and the next run begins with the services again", async () => {
    const codes: Record<string, number> = { "systemctl is-active": 3, "systemctl enable": 1 };
    const { root, machine, options, ran } = lab({ runs: true, codes });
    const given = options();
    expect(await refusal(() => install(machine, given))).toMatch(
      /^ENID_INSTALL_SERVICE: systemctl enable --now enid.service failed: no such luck/,
    );
    expect(manifestOf(root).complete).toBe(false);
    ran.length = 0;
    delete codes["systemctl enable"];
    expect(await install(machine, given)).toMatchObject({ changed: true });
    expect(ran).toEqual(["systemctl daemon-reload", "systemctl enable --now enid.service"]);
    expect(manifestOf(root).complete).toBe(true);
  });

  it("tells network services of their files; what they refuse is an advice", async () => {
    const { root, machine, options, ran } = lab({ runs: true, codes: { networkctl: 1 } });
    for (const path of [
      "systemd/systemd-networkd",
      "systemd/network/80-ec2.network",
      "udev/rules.d/99-vpc-policy-routes.rules",
    ])
      put(root, `/usr/lib/${path}`);
    const report = await install(machine, options());
    expect(ran.slice(0, 3)).toEqual([
      "udevadm control --reload-rules",
      "systemctl stop policy-routes@*.service refresh-policy-routes@*.timer",
      "networkctl reload",
    ]);
    expect(report.checks).toContainEqual(
      expect.objectContaining({ verdict: "advice", reason: "networkctl reload: no such luck" }),
    );
  });

  it("says what AWS does not give, and installs all the same", async () => {
    const away = () =>
      Promise.reject(
        new EnidError("ENID_METADATA_UNREACHABLE", {
          endpoint: "http://169.254.169.254",
          detail:
            "PUT /latest/api/token got no answer within 1000 ms, as happens in a container when HttpPutResponseHopLimit is 1",
        }),
      );
    const without = lab({ runs: true, probes: { identity: away } });
    const report = await install(without.machine, without.options());
    const verdicts = Object.fromEntries(report.checks.map((check) => [check.name, check]));
    expect(verdicts.metadata).toMatchObject({ verdict: "failed" });
    expect(verdicts["hop-limit"]).toMatchObject({
      verdict: "failed",
      remedy: expect.stringContaining("--http-put-response-hop-limit 2"),
    });
    expect(verdicts.permissions).toBeUndefined();
    const denied = { denied: ["AttachNetworkInterface"], unknown: [], allowed: 13 };
    const refused = lab({ runs: true, probes: { permissions: async () => denied } });
    const { checks } = await install(refused.machine, refused.options());
    expect(checks.at(-1)).toMatchObject({
      name: "permissions",
      verdict: "failed",
      reason: "denied: AttachNetworkInterface",
    });
    const local = await install(refused.machine, refused.options({ checksPermissions: false }));
    expect(local.checks.at(-1)).toMatchObject({ name: "permissions", verdict: "not checked" });
  });

  it("asks AWS for nothing on-premises, and warns of a configuration that comes before its own", async () => {
    const never = () => Promise.reject(new Error("asked"));
    const { root, machine, options } = lab({ runs: true, probes: { identity: never, permissions: never } });
    put(root, "/etc/cni/net.d/05-cilium.conf", "{}");
    const report = await install(machine, options({ configuration: { file: "f", bytes: ON_PREMISES } }));
    expect(report.checks.map(({ name, verdict }) => `${name} ${verdict}`)).toEqual([
      "configuration ok",
      "cni-order failed",
      "link-management ok",
    ]);
    expect(report.checks[1]?.reason).toContain("05-cilium.conf");
  });
});

describe("enid uninstall", () => {
  const options = { dryRun: false, purge: false, stop: true };

  it("leaves nothing of an installation, but for the state", async () => {
    const { root, machine, options: given, ran } = lab({ runs: true });
    put(root, "/opt/cni/bin/loopback", "theirs");
    const before = tree(root);
    await install(machine, given());
    await install(machine, given({ release: release("2") }));
    put(root, "/var/lib/enid/state.db", "leases");
    ran.length = 0;
    const shown = await uninstall(machine, { ...options, dryRun: true });
    expect(shown.files.filter(({ action }) => action === "removed")).toHaveLength(7);
    expect(ran).toEqual([]);
    const report = await uninstall(machine, options);
    expect(ran).toEqual(["systemctl disable --now enid.service", "systemctl daemon-reload"]);
    expect(report.notes.join("\n")).toContain("--purge");
    const {
      "/var/": _var,
      "/var/lib/": _lib,
      "/var/lib/enid/": _enid,
      "/var/lib/enid/state.db": state,
      ...rest
    } = tree(root);
    expect(rest).toEqual(before);
    expect(state).toBe("0644 leases");
    expect(await uninstall(machine, options)).toMatchObject({ changed: false, files: [], services: [] });
    expect(await uninstall(machine, { ...options, purge: true })).toMatchObject({ changed: true });
    expect(files(root)).toEqual(["/opt/cni/bin/loopback"]);
  });

  it("tells of what was changed, and of what was there before, and keeps both", async () => {
    const { root, machine, options: given } = lab();
    put(root, PLUGIN, "somebody's plugin\n", 0o755);
    await install(machine, given());
    put(root, "/etc/systemd/system/enid.service", "[Service]\nNice=5\n");
    const report = await uninstall(machine, { ...options, purge: true });
    expect(report.files).toContainEqual({
      path: "/etc/systemd/system/enid.service",
      action: "kept",
      why: "it was changed since it was installed",
    });
    const left = files(root);
    expect(left).toHaveLength(2);
    expect(left[0]).toBe("/etc/systemd/system/enid.service");
    expect(report.notes).toContain(`what was at ${PLUGIN} before is ${left[1]}`);
    expect(readFileSync(join(root, left[1] ?? ""), "utf8")).toBe("somebody's plugin\n");
  });

  it("stops before it removes anything when enid cannot be stopped", async () => {
    const { root, machine, options: given } = lab({ runs: true, codes: { "systemctl disable": 1 } });
    await install(machine, given());
    const is = tree(root);
    expect(await refusal(() => uninstall(machine, options))).toMatch(/^ENID_INSTALL_SERVICE/);
    expect(tree(root)).toEqual(is);
  });
});
